package lamella.runtime;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.text.SimpleDateFormat;
import java.util.Arrays;
import java.util.Date;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TimeZone;

/**
 * LambdaLogger's records, in AWS's formats.
 *
 * <p>Records go as frames to the descriptor that _LAMBDA_TELEMETRY_LOG_FD names, so that one of several
 * lines stays one; without it to the standard output, a line each: line feeds are carriage returns.
 */
final class Logs {
    static final String UNDEFINED = "UNDEFINED";
    private static final List<String> LEVELS =
            Arrays.asList("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL");

    private static final int FRAME = 0xa55a0000;
    private static final int JSON_FORM = 2;
    private static final int TEXT_FORM = 3;
    private static final int HEADER_BYTES = 16;

    private final PrintStream out;
    private OutputStream frames;
    private final boolean isJson;
    private final int least;
    /** The invocation that records belong to; null during initialisation. */
    String requestId;

    Logs(PrintStream out, Map<String, String> environ) {
        this.out = out;
        String format = environ.get("AWS_LAMBDA_LOG_FORMAT");
        String level = environ.get("AWS_LAMBDA_LOG_LEVEL");
        frames = opened(environ.get("_LAMBDA_TELEMETRY_LOG_FD"));
        isJson = "JSON".equalsIgnoreCase(format);
        least = level == null ? -1 : LEVELS.indexOf(level.toUpperCase(Locale.ROOT));
    }

    void log(String message, String level) {
        if (!isSeen(level)) {
            return;
        }
        String text = message == null ? "null" : message;
        if (isJson) {
            tell(record(text, level), level, JSON_FORM);
        } else {
            tell(level.equals(UNDEFINED) ? text : "[" + level + "] " + text, level, TEXT_FORM);
        }
    }

    /** Bytes have no format. */
    void log(byte[] message, String level) {
        if (message != null && isSeen(level)) {
            tell(new String(message, StandardCharsets.UTF_8), level, TEXT_FORM);
        }
    }

    void failure(Failure failure) {
        log(failure.text(), isJson ? "ERROR" : UNDEFINED);
    }

    private boolean isSeen(String level) {
        return level.equals(UNDEFINED) || LEVELS.indexOf(level) >= least;
    }

    private synchronized void tell(String text, String level, int form) {
        String trimmed = text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
        if (frames != null) {
            try {
                frames.write(frame(trimmed, level, form));
                return;
            } catch (IOException closed) {
                // A wrapper has closed it.
                frames = null;
            }
        }
        out.println(trimmed.replace('\n', '\r'));
        out.flush();
    }

    private static byte[] frame(String text, String level, int form) {
        byte[] message = (text + "\n").getBytes(StandardCharsets.UTF_8);
        ByteBuffer frame = ByteBuffer.allocate(HEADER_BYTES + message.length);
        frame.putInt(FRAME | LEVELS.indexOf(level) + 1 << 2 | form);
        frame.putInt(message.length);
        frame.putLong(System.currentTimeMillis() * 1000);
        return frame.put(message).array();
    }

    /** The stream to a descriptor; null where none is named. */
    private static OutputStream opened(String name) {
        try {
            Constructor<FileDescriptor> make = FileDescriptor.class.getDeclaredConstructor(int.class);
            // The jar's manifest opens its package.
            make.setAccessible(true);
            return name == null ? null : new FileOutputStream(make.newInstance(Integer.parseInt(name)));
        } catch (ReflectiveOperationException | RuntimeException refused) {
            return null;
        }
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
