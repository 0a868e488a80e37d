package app;

import com.amazonaws.services.lambda.runtime.Context;
import java.io.File;
import java.io.InputStream;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

public class Main {
    private static int count;

    static {
        String init = System.getenv("INIT");
        try {
            File begun = new File("/tmp/begun");
            if (("sleep".equals(init) || "once".equals(init)) && begun.createNewFile()) {
                if (init.equals("sleep")) Thread.sleep(60_000);
                init = "raise";
            }
        } catch (Exception error) {
            throw new RuntimeException(error);
        }
        if ("raise".equals(init)) throw new IllegalStateException("not ready");
        if ("exit".equals(init)) Runtime.getRuntime().halt(3);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("told to end")));
    }

    public Object handle(Map<String, Object> event, Context context) throws Exception {
        Object value = event.get("value");
        switch ((String) event.get("do")) {
            case "echo": return value;
            case "size": return ((String) value).length();
            case "large": return many(number(value).intValue());
            case "context": return contextOf(context);
            case "raise": throw new IllegalArgumentException((String) value);
            case "chain": throw new IllegalStateException((String) value, new IllegalArgumentException("the cause"));
            case "exit": Runtime.getRuntime().halt(number(value).intValue()); return null;
            case "crash": new ProcessBuilder("/bin/sh", "-c", "kill -KILL $PPID").start().waitFor(); return null;
            case "memory": return tooMuch();
            case "sleep": Thread.sleep((long) (number(value).doubleValue() * 1000)); return null;
            case "env": return System.getenv();
            case "sh": return shell((String) value);
            case "print":
                System.out.println("to the output");
                System.err.println("to the error");
                System.out.println("two\nlines");
                return null;
            case "log":
                context.getLogger().log("a record", com.amazonaws.services.lambda.runtime.logging.LogLevel.WARN);
                context.getLogger().log("a hidden record", com.amazonaws.services.lambda.runtime.logging.LogLevel.DEBUG);
                return null;
            case "count": return ++count;
            case "later": new Thread(Main::writeLater).start(); return null;
            case "recurse": return recurse(0);
            case "trace": return System.getProperty("com.amazonaws.xray.traceHeader");
            case "layer": return Arrays.asList(from("shared.Shared"), from("own.Own"));
            case "unanswerable": return new Unanswerable();
            default: return null;
        }
    }

    public static class Unanswerable {
        public String getName() {
            throw new IllegalStateException("it has no name");
        }
    }

    private static int recurse(int depth) {
        return recurse(depth + 1) + 1;
    }

    private static Number number(Object value) {
        return (Number) value;
    }

    private static String many(int size) {
        char[] all = new char[size];
        Arrays.fill(all, 'x');
        return new String(all);
    }

    private static Object tooMuch() {
        List<byte[]> held = new ArrayList<>();
        while (true) held.add(new byte[10_000_000]);
    }

    private static Map<String, Object> contextOf(Context context) {
        Map<String, Object> seen = new LinkedHashMap<>();
        List<String> missing = new ArrayList<>();
        if (context.getLogger() == null) missing.add("getLogger");
        seen.put("missing", missing);
        seen.put("id", context.getAwsRequestId());
        seen.put("name", context.getFunctionName());
        seen.put("version", context.getFunctionVersion());
        seen.put("arn", context.getInvokedFunctionArn());
        seen.put("memory", String.valueOf(context.getMemoryLimitInMB()));
        seen.put("group", context.getLogGroupName());
        seen.put("stream", context.getLogStreamName());
        seen.put("left", context.getRemainingTimeInMillis());
        seen.put("client", context.getClientContext() == null ? null : context.getClientContext().getCustom());
        return seen;
    }

    private static String shell(String command) throws Exception {
        Process process = new ProcessBuilder("/bin/sh", "-c", command).redirectErrorStream(true).start();
        StringBuilder said = new StringBuilder();
        InputStream output = process.getInputStream();
        byte[] part = new byte[4096];
        for (int size; (size = output.read(part)) > 0; ) said.append(new String(part, 0, size, "UTF-8"));
        return said.toString();
    }

    private static void writeLater() {
        try {
            Thread.sleep(50);
            Files.write(Paths.get("/tmp/later"), new byte[0]);
        } catch (Exception error) {
            throw new RuntimeException(error);
        }
    }

    private static Object from(String name) throws Exception {
        Method method = Class.forName(name).getMethod("from");
        return method.invoke(null);
    }
}
