package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.io.BufferedReader;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import javax.net.ssl.SSLContext;

/** What a function sees in its box. */
public class Seen implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    @Override
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        Map<String, Object> seen = new LinkedHashMap<>();
        seen.put("event", event);
        seen.put("java", System.getProperty("java.version"));
        seen.put("home", System.getProperty("java.home"));
        seen.put("name", context.getFunctionName());
        seen.put("memory", context.getMemoryLimitInMB());
        seen.put("execution", System.getenv("AWS_EXECUTION_ENV"));
        seen.put("directory", System.getProperty("user.dir"));
        seen.put("heap", Math.round(Runtime.getRuntime().maxMemory() / 1048576.0 / 0.9667));
        seen.put("options", System.getProperty("lamella.options"));
        seen.put("wrapped", System.getenv("WRAPPED"));
        try {
            seen.put("which", text("which"));
            Path file = Paths.get("/tmp/file");
            Files.write(file, "ä in /tmp".getBytes(StandardCharsets.UTF_8));
            seen.put("wrote", new String(Files.readAllBytes(file), StandardCharsets.UTF_8));
            seen.put("archive", mapped("/var/runtime/lamella.jsa"));
            seen.put("threads", threads(200));
            seen.put("secure", SSLContext.getDefault().getSupportedSSLParameters() != null);
            Files.createFile(Paths.get("/var/task/file"));
        } catch (IOException refused) {
            seen.put("refused", new File(refused.getMessage().split(":")[0]).getParent());
        } catch (Exception failed) {
            throw new IllegalStateException(failed);
        }
        return seen;
    }

    private String text(String name) throws IOException {
        try (BufferedReader reader =
                new BufferedReader(
                        new InputStreamReader(getClass().getResourceAsStream("/" + name), "UTF-8"))) {
            return reader.readLine();
        }
    }

    /** The file if this process has it in its memory. */
    private static Object mapped(String file) throws IOException {
        try (BufferedReader maps =
                new BufferedReader(new InputStreamReader(new FileInputStream("/proc/self/maps")))) {
            for (String line = maps.readLine(); line != null; line = maps.readLine()) {
                if (line.endsWith(file)) {
                    return file;
                }
            }
        }
        return ManagementFactory.getRuntimeMXBean().getInputArguments();
    }

    private static int threads(int count) throws InterruptedException {
        CountDownLatch all = new CountDownLatch(count);
        CountDownLatch over = new CountDownLatch(1);
        for (int index = 0; index < count; index++) {
            Thread thread =
                    new Thread(
                            () -> {
                                all.countDown();
                                try {
                                    over.await();
                                } catch (InterruptedException ended) {
                                    Thread.currentThread().interrupt();
                                }
                            });
            thread.start();
        }
        all.await();
        over.countDown();
        return count - (int) all.getCount();
    }
}
