package lamella.runtime;

import java.io.File;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Runs a Java function: finds its handler, then answers one invocation after the other. */
public final class Main {
    private static final String TRACE_HEADER = "com.amazonaws.xray.traceHeader";

    private final Client client;
    private final Logs logs;
    private final Map<String, String> environ;
    /** Asked once what it has loaded, when an invocation has been answered for the first time. */
    private Loader asked;

    private Main(Client client, Logs logs, Map<String, String> environ) {
        this.client = client;
        this.logs = logs;
        this.environ = environ;
    }

    public static void main(String[] arguments) {
        try {
            String rehearsal = System.getProperty("lamella.rehearsal");
            if (rehearsal == null) {
                start(System.getenv());
            } else {
                Rehearsal.run(rehearsal);
            }
        } catch (IOException gone) {
            // The server is gone, and with it whoever could read a complaint.
            Runtime.getRuntime().halt(1);
        } catch (Throwable fault) {
            // Threads of the function must not keep a process alive that answers no more.
            fault.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    /** Answer invocations until the Runtime API is gone, which raises IOException. */
    static void start(Map<String, String> environ) throws IOException {
        PrintStream out = stream(FileDescriptor.out);
        System.setOut(out);
        System.setErr(stream(FileDescriptor.err));
        Logs logs = new Logs(out, environ);
        Client client = new Client(environ.get("AWS_LAMBDA_RUNTIME_API"));
        new Main(client, logs, environ).run();
    }

    private static PrintStream stream(FileDescriptor descriptor) throws IOException {
        // Each print is one write: what a function printed is out even if the process is killed.
        return new PrintStream(new FileOutputStream(descriptor), true, "UTF-8");
    }

    private void run() throws IOException {
        String layers = System.getProperty("lamella.layers", "/opt");
        ClassLoader loader = loader(environ.get("LAMBDA_TASK_ROOT"), layers);
        asked = loader instanceof Loader ? (Loader) loader : null;
        Thread.currentThread().setContextClassLoader(loader);
        Contexts contexts = new Contexts(logs, environ);
        contexts.install(loader);
        Handler handler = null;
        Failure unusable = null;
        try {
            handler = new Handlers(loader, contexts).find(environ.get("_HANDLER"));
        } catch (Fault fault) {
            unusable = fault.failure;
        }
        if (unusable != null && unusable.isFatal) {
            logs.failure(unusable);
            client.failInit(unusable);
            System.exit(1);
        }
        Invocation invocation = client.next();
        while (true) {
            invocation = serve(contexts, handler, unusable, invocation);
        }
    }

    /** Answer one invocation and ask for the next. */
    private Invocation serve(
            Contexts contexts, Handler handler, Failure unusable, Invocation invocation)
            throws IOException {
        String id = invocation.requestId();
        contexts.begin(id);
        String trace = invocation.header("lambda-runtime-trace-id");
        if (trace == null) {
            System.clearProperty(TRACE_HEADER);
        } else {
            System.setProperty(TRACE_HEADER, trace);
        }
        Failure failure = unusable;
        if (failure == null) {
            byte[] answer = null;
            try {
                answer = handler.call(invocation);
            } catch (Throwable thrown) {
                failure = Failure.of(thrown);
            }
            if (answer != null) {
                flush();
                // A function may have interrupted the thread that it was called by.
                Thread.interrupted();
                if (asked != null) {
                    client.tell(asked.told());
                    asked = null;
                }
                return client.respond(id, answer);
            }
        }
        logs.failure(failure);
        flush();
        Thread.interrupted();
        if (failure.isFatal) {
            client.failLast(id, failure);
            System.exit(1);
        }
        return client.fail(id, failure);
    }

    private static void flush() {
        System.out.flush();
        System.err.flush();
    }

    /** The function's classes and jars, then the layers' jars. */
    static ClassLoader loader(String task, String layers) throws MalformedURLException {
        List<URL> places = new ArrayList<URL>();
        places.add(new URL("file", null, -1, task + "/"));
        addJars(task + "/lib", places);
        addJars(layers + "/java/lib", places);
        URL[] all = places.toArray(new URL[0]);
        if (System.clearProperty("lamella.learn") != null) {
            return new Loader(all, Main.class.getClassLoader(), layers + "/java/lib/");
        }
        return new URLClassLoader(all, Main.class.getClassLoader());
    }

    private static void addJars(String folder, List<URL> places) throws MalformedURLException {
        String[] names = new File(folder).list();
        if (names == null) {
            return;
        }
        Arrays.sort(names);
        for (String name : names) {
            if (name.endsWith(".jar")) {
                places.add(new URL("file", null, -1, folder + "/" + name));
            }
        }
    }
}
