package lamella.runtime;

import java.io.IOException;
import java.lang.reflect.Array;
import java.lang.reflect.Member;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.util.Base64;
import java.util.Calendar;
import java.util.Collection;
import java.util.Date;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;

/**
 * JSON of whatever a function returns. Members that are null are left out, of objects and of maps, as
 * AWS's runtime has it.
 */
final class Writer {
    private static final int BASE_64_ROOM = 64;

    private final StringBuilder out;

    private Writer(StringBuilder out) {
        this.out = out;
    }

    static void write(StringBuilder out, Object value) throws Throwable {
        new Writer(out).write(value, 0);
    }

    private void write(Object value, int depth) throws Throwable {
        if (depth > Json.MOST_DEEP) {
            throw new IOException(
                    "An object is nested deeper than " + Json.MOST_DEEP + ", or holds itself");
        }
        if (value == null || value instanceof Boolean) {
            out.append(value);
        } else if (value instanceof CharSequence || value instanceof Character) {
            Json.write(out, value.toString());
        } else if (value instanceof Number) {
            number((Number) value);
        } else if (value instanceof Enum) {
            Json.write(out, ((Enum<?>) value).name());
        } else if (value instanceof Map) {
            map((Map<?, ?>) value, depth);
        } else if (value instanceof Collection) {
            items(((Collection<?>) value).iterator(), depth);
        } else if (value.getClass().isArray()) {
            array(value, depth);
        } else if (value instanceof Optional) {
            write(((Optional<?>) value).orElse(null), depth);
        } else {
            other(value, depth);
        }
    }

    private void other(Object value, int depth) throws Throwable {
        if (value instanceof Date) {
            out.append(((Date) value).getTime());
        } else if (value instanceof Calendar) {
            out.append(((Calendar) value).getTimeInMillis());
        } else if (value instanceof ByteBuffer) {
            ByteBuffer bytes = ((ByteBuffer) value).duplicate();
            byte[] copy = new byte[bytes.remaining()];
            bytes.get(copy);
            array(copy, depth);
        } else if (value instanceof java.time.Instant) {
            java.time.Instant instant = (java.time.Instant) value;
            BigDecimal nanos = BigDecimal.valueOf(instant.getNano(), 9);
            out.append(BigDecimal.valueOf(instant.getEpochSecond()).add(nanos).toPlainString());
        } else if (value instanceof Iterator) {
            items((Iterator<?>) value, depth);
        } else if (isOfJava(value.getClass())) {
            Json.write(out, value instanceof Class ? ((Class<?>) value).getName() : value.toString());
        } else if (value instanceof Iterable) {
            items(((Iterable<?>) value).iterator(), depth);
        } else {
            bean(value, depth);
        }
    }

    private static boolean isOfJava(Class<?> type) {
        String name = type.getName();
        return name.startsWith("java.") || name.startsWith("sun.") || name.startsWith("jdk.");
    }

    private void number(Number value) {
        boolean isFloating = value instanceof Double || value instanceof Float;
        double rough = isFloating ? value.doubleValue() : 0;
        if (Double.isNaN(rough) || Double.isInfinite(rough)) {
            out.append('"').append(value).append('"');
        } else if (isFloating || value.getClass().getName().startsWith("java.")) {
            out.append(value);
        } else {
            out.append(value.doubleValue());
        }
    }

    private void map(Map<?, ?> value, int depth) throws Throwable {
        out.append('{');
        boolean isFirst = true;
        for (Map.Entry<?, ?> each : value.entrySet()) {
            if (each.getValue() == null) {
                continue;
            }
            if (each.getKey() == null) {
                throw new IOException("Null key for a Map not allowed in JSON");
            }
            Object key = each.getKey();
            name(key instanceof Enum ? ((Enum<?>) key).name() : key.toString(), isFirst);
            write(each.getValue(), depth + 1);
            isFirst = false;
        }
        out.append('}');
    }

    private void items(Iterator<?> items, int depth) throws Throwable {
        out.append('[');
        while (items.hasNext()) {
            write(items.next(), depth + 1);
            if (items.hasNext()) {
                out.append(',');
            }
        }
        out.append(']');
    }

    private void array(Object value, int depth) throws Throwable {
        if (value instanceof byte[]) {
            byte[] bytes = (byte[]) value;
            out.ensureCapacity(out.length() + bytes.length * 4 / 3 + BASE_64_ROOM);
            out.append('"').append(Base64.getEncoder().encodeToString(bytes)).append('"');
            return;
        }
        if (value instanceof char[]) {
            Json.write(out, new String((char[]) value));
            return;
        }
        out.append('[');
        for (int index = 0; index < Array.getLength(value); index++) {
            if (index > 0) {
                out.append(',');
            }
            write(Array.get(value, index), depth + 1);
        }
        out.append(']');
    }

    private void bean(Object value, int depth) throws Throwable {
        out.append('{');
        boolean isFirst = true;
        for (Map.Entry<String, Member> each : Bean.of(value.getClass()).readers.entrySet()) {
            Object member = Bean.read(value, each.getValue());
            if (member != null) {
                name(each.getKey(), isFirst);
                write(member, depth + 1);
                isFirst = false;
            }
        }
        out.append('}');
    }

    private void name(String name, boolean isFirst) {
        if (!isFirst) {
            out.append(',');
        }
        Json.write(out, name);
        out.append(':');
    }
}
