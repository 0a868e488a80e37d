package lamella.runtime;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.text.SimpleDateFormat;
import java.util.Arrays;
import java.util.Date;
import java.util.List;
import java.util.Locale;
import java.util.TimeZone;

/**
 * LambdaLogger's records, in AWS's formats. One record is one line: line feeds within it are carriage
 * returns.
 */
final class Logs {
    static final String UNDEFINED = "UNDEFINED";
    private static final List<String> LEVELS =
            Arrays.asList("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL");

    private final PrintStream out;
    private final boolean isJson;
    private final int least;
    /** The invocation that records belong to; null during initialisation. */
    String requestId;

    Logs(PrintStream out, String format, String level) {
        this.out = out;
        isJson = "JSON".equalsIgnoreCase(format);
        least = level == null ? -1 : LEVELS.indexOf(level.toUpperCase(Locale.ROOT));
    }

    void log(String message, String level) {
        if (!isSeen(level)) {
            return;
        }
        String text = message == null ? "null" : message;
        if (isJson) {
            line(record(text, level));
        } else {
            line(level.equals(UNDEFINED) ? text : "[" + level + "] " + text);
        }
    }

    /** Bytes have no format. */
    void log(byte[] message, String level) {
        if (message != null && isSeen(level)) {
            line(new String(message, StandardCharsets.UTF_8));
        }
    }

    void failure(Failure failure) {
        log(failure.text(), isJson ? "ERROR" : UNDEFINED);
    }

    private boolean isSeen(String level) {
        return level.equals(UNDEFINED) || LEVELS.indexOf(level) >= least;
    }

    private void line(String text) {
        String trimmed = text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
        out.println(trimmed.replace('\n', '\r'));
        out.flush();
    }

    private String record(String message, String level) {
        SimpleDateFormat format = new SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", Locale.ROOT);
        format.setTimeZone(TimeZone.getTimeZone("UTC"));
        StringBuilder record = new StringBuilder("{\"timestamp\":");
        Json.write(record, format.format(new Date()));
        record.append(",\"message\":");
        Json.write(record, message);
        record.append(",\"level\":");
        Json.write(record, level);
        if (requestId != null) {
            record.append(",\"AWSRequestId\":");
            Json.write(record, requestId);
        }
        return record.append('}').toString();
    }
}
