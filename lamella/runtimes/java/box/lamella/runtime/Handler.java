package lamella.runtime;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;

/** A function's method, and what it takes and gives. */
final class Handler {
    private static final byte[] NULL = {'n', 'u', 'l', 'l'};

    private final Object instance;
    private final Method method;
    private final Contexts contexts;
    /** What the input becomes and the output was; null where there is none. */
    private final Shape input;
    private final Shape output;
    /** What reads and writes JSON in place of this client; null for nothing. */
    private final CustomSerializer custom;

    Handler(
            Object instance,
            Method method,
            Shape input,
            Shape output,
            Contexts contexts,
            CustomSerializer custom) {
        this.custom = custom;
        this.instance = instance;
        this.method = method;
        this.input = input;
        this.output = output;
        this.contexts = contexts;
    }

    /** The answer to an invocation. Raises what the function raises. */
    byte[] call(Invocation invocation) throws Throwable {
        Class<?>[] types = method.getParameterTypes();
        Object[] arguments = new Object[types.length];
        ByteArrayOutputStream written = null;
        for (int index = 0; index < types.length; index++) {
            if (types[index] == InputStream.class) {
                arguments[index] = new ByteArrayInputStream(invocation.body);
            } else if (types[index] == OutputStream.class) {
                written = new ByteArrayOutputStream(1024);
                arguments[index] = written;
            } else if (Handlers.isContext(types[index])) {
                arguments[index] = contexts.of(types[index], invocation);
            } else {
                arguments[index] = parsed(invocation.body);
            }
        }
        Object result;
        try {
            result = method.invoke(instance, arguments);
        } catch (InvocationTargetException raised) {
            throw raised.getCause();
        }
        if (written != null) {
            return written.toByteArray();
        }
        return output == null ? NULL : serialised(result);
    }

    private Object parsed(byte[] body) {
        try {
            return custom != null
                    ? custom.read(input, body)
                    : Reader.read(input, Json.read(new String(body, StandardCharsets.UTF_8)));
        } catch (java.io.IOException wrong) {
            throw new RuntimeException(
                    "An error occurred during JSON parsing", new java.io.UncheckedIOException(wrong));
        } catch (Throwable wrong) {
            throw new RuntimeException("An error occurred during JSON parsing", wrong);
        }
    }

    private byte[] serialised(Object result) {
        try {
            if (custom != null) {
                return custom.write(output, result);
            }
            StringBuilder out = new StringBuilder();
            Writer.write(out, result);
            return out.toString().getBytes(StandardCharsets.UTF_8);
        } catch (java.io.IOException wrong) {
            throw new RuntimeException(
                    "An error occurred during JSON serialization of response",
                    new java.io.UncheckedIOException(wrong));
        } catch (Throwable wrong) {
            throw new RuntimeException("An error occurred during JSON serialization of response", wrong);
        }
    }
}
