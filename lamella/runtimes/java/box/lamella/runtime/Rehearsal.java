package lamella.runtime;

import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.HashMap;
import java.util.Map;

/**
 * Runs the client once against canned answers, with a function, so that a JVM that is told to can keep
 * the classes it needs in an archive.
 */
final class Rehearsal {
    private static final String EVENT =
            "{\"text\":\"\\u00e4\\n\",\"numbers\":[1,-2.5,3e4,12345678901],\"others\":[true,false,null,{}]}";
    private static final String INVOCATION =
            "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: rehearsal\r\n"
                    + "Lambda-Runtime-Deadline-Ms: 1\r\nLambda-Runtime-Trace-Id: Root=1\r\n"
                    + "Content-Type: application/json\r\nContent-Length: " + EVENT.length()
                    + "\r\n\r\n" + EVENT;
    private static final String ACCEPTED = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

    private Rehearsal() {}

    /** `task` is the folder that the function is in. */
    static void run(String task) throws IOException {
        final ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        Thread answers =
                new Thread() {
                    @Override
                    public void run() {
                        try {
                            Socket socket = server.accept();
                            OutputStream out = socket.getOutputStream();
                            String all = INVOCATION + ACCEPTED + INVOCATION + ACCEPTED;
                            out.write(all.getBytes(StandardCharsets.US_ASCII));
                            socket.shutdownOutput();
                        } catch (IOException gone) {
                            gone.printStackTrace();
                        }
                    }
                };
        answers.setDaemon(true);
        answers.start();
        Map<String, String> environ = new HashMap<String, String>(System.getenv());
        environ.put("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:" + server.getLocalPort());
        environ.put("LAMBDA_TASK_ROOT", task);
        environ.put("_HANDLER", "lamella.rehearsal.Echo::handle");
        try {
            Main.start(environ);
        } catch (IOException over) {
            System.out.println("rehearsed");
        }
        String names = System.getProperty("lamella.classes");
        if (names != null) {
            loadLayers(names);
        }
    }

    /** Load and check the classes that the file `names` lists, and run none of them. */
    private static void loadLayers(String names) throws IOException {
        ClassLoader loader = Main.loader("/nowhere", "/opt");
        for (String name : Files.readAllLines(Paths.get(names), StandardCharsets.UTF_8)) {
            try {
                // Asking for what a class declares has it checked, but not initialised.
                Class.forName(name, false, loader).getDeclaredConstructors();
            } catch (ClassNotFoundException missing) {
                continue;
            } catch (LinkageError broken) {
                continue;
            }
        }
    }
}
