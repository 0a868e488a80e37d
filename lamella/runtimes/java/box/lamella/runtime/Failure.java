package lamella.runtime;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;

/** An error as it is posted and logged. */
final class Failure {
    static final String OF_CODE = "Runtime.BadFunctionCode";
    static final String OF_USER = "Runtime.UserException";

    private static final String OWN = "lamella.runtime.";
    private static final String[] REFLECTION = {
        "java.lang.reflect.", "jdk.internal.reflect.", "sun.reflect.", "java.lang.invoke."
    };
    private static final int MOST_CAUSES = 100;

    /** What the Runtime API is told in a header. */
    final String kind;
    /** Whether the process must end: its state cannot be trusted, or there is nothing to run. */
    final boolean isFatal;

    private final String message;
    private final String type;
    private final Throwable shown;
    private final Throwable thrown;

    private Failure(String kind, boolean isFatal, String message, Throwable thrown, boolean whole) {
        this.kind = kind;
        this.isFatal = isFatal;
        this.message = message;
        this.type = thrown == null ? null : thrown.getClass().getName();
        this.shown = whole ? thrown : null;
        this.thrown = thrown;
        if (thrown != null) {
            hideOwn(thrown, seen());
        }
    }

    /** What a handler threw. */
    static Failure of(Throwable thrown) {
        boolean isFatal = thrown instanceof VirtualMachineError || thrown instanceof java.io.IOError;
        return new Failure(OF_USER, isFatal, message(thrown), thrown, true);
    }

    /** A handler that cannot be used, for a reason that is no exception. */
    static Failure plain(String message) {
        return new Failure(OF_CODE, false, message, null, false);
    }

    /** A handler that cannot be used; `message` is said in place of the exception's if it is not null. */
    static Failure unusable(String message, Throwable thrown, boolean isFatal) {
        String said = message == null ? message(thrown) : message;
        return new Failure(OF_CODE, isFatal, said, thrown, false);
    }

    /** A handler's class that failed while it was loaded. */
    static Failure loading(String className, Throwable thrown) {
        String why = thrown.getMessage() == null ? "" : ": " + thrown.getMessage();
        return unusable("Error loading class " + className + why, thrown, true);
    }

    byte[] json() {
        StringBuilder out = new StringBuilder(256);
        out.append("{\"errorMessage\":");
        Json.write(out, message);
        if (type != null) {
            out.append(",\"errorType\":");
            Json.write(out, type);
        }
        if (shown != null) {
            describe(out, shown, 0, seen());
        }
        return out.append('}').toString().getBytes(StandardCharsets.UTF_8);
    }

    /** The trace and the cause, as further members of an object. */
    private static void describe(StringBuilder out, Throwable thrown, int depth, Set<Throwable> seen) {
        seen.add(thrown);
        List<String> trace = new ArrayList<String>();
        for (StackTraceElement element : thrown.getStackTrace()) {
            trace.add(element.toString());
        }
        out.append(",\"stackTrace\":");
        Json.writeStrings(out, trace);
        Throwable cause = thrown.getCause();
        if (cause == null || seen.contains(cause) || depth == MOST_CAUSES) {
            return;
        }
        out.append(",\"cause\":{\"errorMessage\":");
        Json.write(out, message(cause));
        out.append(",\"errorType\":");
        Json.write(out, cause.getClass().getName());
        describe(out, cause, depth + 1, seen);
        out.append('}');
    }

    /** What the log says: the message and the type, then the trace as Java prints it. */
    String text() {
        if (thrown == null) {
            return message;
        }
        StringWriter trace = new StringWriter();
        try {
            thrown.printStackTrace(new PrintWriter(trace, true));
        } catch (Throwable failed) {
            // The exception's own methods are the function's code.
            trace.append(type);
        }
        return message + ": " + type + "\n" + trace;
    }

    private static String message(Throwable thrown) {
        try {
            String said = thrown.getLocalizedMessage();
            return said == null ? thrown.getClass().getName() : said;
        } catch (Throwable failed) {
            return thrown.getClass().getName();
        }
    }

    /** Cut traces where this client called the function: what is below says nothing about it. */
    private static void hideOwn(Throwable thrown, Set<Throwable> seen) {
        if (thrown == null || !seen.add(thrown)) {
            return;
        }
        StackTraceElement[] trace = thrown.getStackTrace();
        int end = 0;
        while (end < trace.length && !trace[end].getClassName().startsWith(OWN)) {
            end++;
        }
        if (end < trace.length) {
            while (end > 0 && isReflection(trace[end - 1].getClassName())) {
                end--;
            }
            thrown.setStackTrace(java.util.Arrays.copyOf(trace, end));
        }
        hideOwn(thrown.getCause(), seen);
        for (Throwable suppressed : thrown.getSuppressed()) {
            hideOwn(suppressed, seen);
        }
    }

    private static boolean isReflection(String className) {
        for (String prefix : REFLECTION) {
            if (className.startsWith(prefix)) {
                return true;
            }
        }
        return false;
    }

    private static Set<Throwable> seen() {
        return Collections.newSetFromMap(new IdentityHashMap<Throwable, Boolean>());
    }
}
