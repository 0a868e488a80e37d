package lamella.runtime;

import java.io.IOException;
import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Member;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Calendar;
import java.util.Collection;
import java.util.Collections;
import java.util.Date;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.LinkedList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Objects of a function's types from trees of `Json`.
 *
 * <p>As lenient as AWS's runtime: a scalar becomes a list of one and a list of one a scalar, strings
 * become numbers, `""` and `[]` no object; members that a class does not have are passed over.
 */
final class Reader {
    private static final String[] FACTORIES = {"valueOf", "fromString", "parse", "of"};

    private Reader() {}

    /** The object of `shape` that a tree stands for. */
    static Object read(Shape shape, Object tree) throws Throwable {
        Class<?> raw = shape.raw;
        if (raw == Optional.class) {
            return Optional.ofNullable(tree == null ? null : read(shape.element(Optional.class, 0), tree));
        }
        if (tree == null) {
            return raw.isPrimitive() ? zero(raw) : null;
        }
        if (raw == Object.class) {
            return plain(tree);
        }
        if (raw.isArray()) {
            return array(shape, tree);
        }
        if (Iterable.class.isAssignableFrom(raw) && isCollection(raw)) {
            return collection(shape, tree);
        }
        if (Map.class.isAssignableFrom(raw)) {
            return map(shape, tree);
        }
        Object single = unwrapped(tree);
        if (single == null) {
            return raw.isPrimitive() ? zero(raw) : null;
        }
        return single instanceof Map ? object(shape, (Map<?, ?>) single) : scalar(raw, single);
    }

    private static boolean isCollection(Class<?> raw) {
        return raw == Iterable.class || Collection.class.isAssignableFrom(raw);
    }

    /** What an array of one element stands for where no array is wanted; null for an empty one. */
    private static Object unwrapped(Object tree) throws IOException {
        Object single = tree;
        while (single instanceof List) {
            List<?> items = (List<?>) single;
            if (items.size() > 1) {
                throw new IOException("Cannot read one value from an array of " + items.size());
            }
            single = items.isEmpty() ? null : items.get(0);
        }
        return single;
    }

    /** A tree as functions know them: numbers with a fraction are Doubles. */
    private static Object plain(Object tree) {
        if (tree instanceof BigDecimal) {
            return ((BigDecimal) tree).doubleValue();
        }
        if (tree instanceof Map) {
            Map<String, Object> members = new LinkedHashMap<String, Object>();
            for (Map.Entry<?, ?> each : ((Map<?, ?>) tree).entrySet()) {
                members.put((String) each.getKey(), plain(each.getValue()));
            }
            return members;
        }
        if (tree instanceof List) {
            List<Object> items = new ArrayList<Object>(((List<?>) tree).size());
            for (Object each : (List<?>) tree) {
                items.add(plain(each));
            }
            return items;
        }
        return tree;
    }

    private static Object array(Shape shape, Object tree) throws Throwable {
        Shape component = shape.component();
        if (component.raw == byte.class && tree instanceof String) {
            return decoded((String) tree);
        }
        if (component.raw == char.class && tree instanceof String) {
            return ((String) tree).toCharArray();
        }
        List<?> items = listed(tree);
        if (items == null) {
            return null;
        }
        Object array = Array.newInstance(component.raw, items.size());
        for (int index = 0; index < items.size(); index++) {
            Array.set(array, index, read(component, items.get(index)));
        }
        return array;
    }

    /** The items of an array, or the one item that stands alone; null for `""`. */
    private static List<?> listed(Object tree) {
        if (tree instanceof List) {
            return (List<?>) tree;
        }
        return "".equals(tree) ? null : Collections.singletonList(tree);
    }

    private static byte[] decoded(String text) throws IOException {
        try {
            return Base64.getMimeDecoder().decode(text);
        } catch (IllegalArgumentException wrong) {
            throw new IOException("Cannot read bytes from a string that is no base64", wrong);
        }
    }

    @SuppressWarnings("unchecked")
    private static Object collection(Shape shape, Object tree) throws Throwable {
        List<?> items = listed(tree);
        if (items == null) {
            return null;
        }
        Class<?> raw = shape.raw;
        Collection<Object> made;
        if (raw.isAssignableFrom(ArrayList.class)) {
            made = new ArrayList<Object>(items.size());
        } else if (raw == Set.class || raw.isAssignableFrom(LinkedHashSet.class)) {
            made = new LinkedHashSet<Object>();
        } else if (SortedSet.class.isAssignableFrom(raw) && raw.isAssignableFrom(TreeSet.class)) {
            made = new TreeSet<Object>();
        } else if (raw == Queue.class || raw == Deque.class) {
            made = new LinkedList<Object>();
        } else {
            made = (Collection<Object>) Bean.of(raw).make();
        }
        Shape element = shape.element(Iterable.class, 0);
        for (Object each : items) {
            made.add(read(element, each));
        }
        return made;
    }

    @SuppressWarnings("unchecked")
    private static Object map(Shape shape, Object tree) throws Throwable {
        Object single = unwrapped(tree);
        if (single == null || "".equals(single)) {
            return null;
        }
        if (!(single instanceof Map)) {
            throw mismatch(shape.raw, single);
        }
        Class<?> raw = shape.raw;
        Map<Object, Object> made;
        if (raw.isAssignableFrom(LinkedHashMap.class)) {
            made = new LinkedHashMap<Object, Object>();
        } else if (SortedMap.class.isAssignableFrom(raw) && raw.isAssignableFrom(TreeMap.class)) {
            made = new TreeMap<Object, Object>();
        } else {
            made = (Map<Object, Object>) Bean.of(raw).make();
        }
        Shape key = shape.element(Map.class, 0);
        Shape value = shape.element(Map.class, 1);
        for (Map.Entry<?, ?> each : ((Map<?, ?>) single).entrySet()) {
            made.put(read(key, each.getKey()), read(value, each.getValue()));
        }
        return made;
    }

    private static Object object(Shape shape, Map<?, ?> members) throws Throwable {
        Class<?> raw = shape.raw;
        if (raw.isPrimitive() || raw.isEnum() || raw.getName().startsWith("java.")) {
            throw mismatch(raw, members);
        }
        Bean bean = Bean.of(raw);
        if (bean.components != null) {
            Object[] values = new Object[bean.components.size()];
            for (int index = 0; index < values.length; index++) {
                Method component = bean.components.get(index);
                Shape wanted = shape.member(component.getGenericReturnType());
                values[index] = read(wanted, members.get(component.getName()));
            }
            return bean.make(values);
        }
        Object made = bean.make();
        for (Map.Entry<?, ?> each : members.entrySet()) {
            Member writer = bean.writer((String) each.getKey());
            if (writer != null) {
                Shape wanted = shape.member(Bean.taken(writer));
                boolean isSeconds = bean.isOfAws && wanted.raw == Date.class;
                Object value = isSeconds ? seconds(each.getValue()) : each.getValue();
                Bean.write(made, writer, read(wanted, value));
            }
        }
        return made;
    }

    /** Whole numbers too are seconds in events of AWS; those with a fraction always are. */
    private static Object seconds(Object value) {
        return value instanceof Number ? new BigDecimal(value.toString()) : value;
    }

    private static Object scalar(Class<?> raw, Object value) throws Throwable {
        if (raw.isInstance(value) && raw != Number.class) {
            return value;
        }
        if (raw == String.class || raw == CharSequence.class || raw == Comparable.class) {
            return value.toString();
        }
        if (raw == boolean.class || raw == Boolean.class) {
            return bool(raw, value);
        }
        if (raw == char.class || raw == Character.class) {
            return character(raw, value);
        }
        if (raw.isPrimitive() || Number.class.isAssignableFrom(raw)) {
            return number(raw, value);
        }
        if (raw.isEnum()) {
            return constant(raw, value);
        }
        if (Date.class.isAssignableFrom(raw) || raw == Calendar.class) {
            return date(raw, value);
        }
        if (raw == ByteBuffer.class && value instanceof String) {
            return ByteBuffer.wrap(decoded((String) value));
        }
        if (raw.getName().equals("java.time.Instant") && value instanceof Number) {
            BigDecimal seconds = new BigDecimal(value.toString());
            long whole = seconds.longValue();
            return java.time.Instant.ofEpochSecond(
                    whole, seconds.subtract(BigDecimal.valueOf(whole)).movePointRight(9).longValue());
        }
        if (value instanceof String) {
            return fromText(raw, (String) value);
        }
        throw mismatch(raw, value);
    }

    private static Object bool(Class<?> raw, Object value) throws IOException {
        if (value instanceof Number && !(value instanceof BigDecimal)) {
            return ((Number) value).longValue() != 0;
        }
        String text = value.toString().trim();
        if (text.equalsIgnoreCase("true") || text.equalsIgnoreCase("false")) {
            return Boolean.valueOf(text);
        }
        if (text.isEmpty()) {
            return raw.isPrimitive() ? false : null;
        }
        throw mismatch(raw, value);
    }

    private static Object character(Class<?> raw, Object value) throws IOException {
        if (value instanceof String && ((String) value).length() == 1) {
            return ((String) value).charAt(0);
        }
        if (value instanceof Integer) {
            return (char) ((Integer) value).intValue();
        }
        if ("".equals(value)) {
            return raw.isPrimitive() ? (Object) '\0' : null;
        }
        throw mismatch(raw, value);
    }

    private static Object number(Class<?> raw, Object value) throws IOException {
        Object given = value;
        if (value instanceof String) {
            String text = ((String) value).trim();
            if (text.isEmpty()) {
                return raw.isPrimitive() ? zero(raw) : null;
            }
            try {
                given = text.length() > 1000 ? null : special(text, raw);
            } catch (NumberFormatException wrong) {
                throw mismatch(raw, value);
            }
        }
        if (!(given instanceof Number)) {
            throw mismatch(raw, value);
        }
        return fitted(raw, (Number) given, value);
    }

    /** A number in a string; NaN and the infinities are none of JSON's, and come so. */
    private static Number special(String text, Class<?> raw) {
        boolean isFloating =
                raw == double.class || raw == Double.class || raw == float.class || raw == Float.class;
        boolean isNamed = text.endsWith("NaN") || text.endsWith("Infinity");
        return isFloating && isNamed ? Double.valueOf(text) : (Number) new BigDecimal(text);
    }

    private static Object fitted(Class<?> raw, Number number, Object value) throws IOException {
        if (raw == double.class || raw == Double.class) {
            return number.doubleValue();
        }
        if (raw == float.class || raw == Float.class) {
            return number.floatValue();
        }
        if (raw == BigDecimal.class) {
            return number instanceof BigDecimal ? number : new BigDecimal(number.toString());
        }
        if (raw == Number.class) {
            return number instanceof BigDecimal ? (Number) number.doubleValue() : number;
        }
        if (raw == BigInteger.class) {
            if (number instanceof BigDecimal && Math.abs(number.doubleValue()) > 1e300) {
                throw mismatch(raw, value);
            }
            return number instanceof BigDecimal
                    ? ((BigDecimal) number).toBigInteger()
                    : new BigInteger(number.toString());
        }
        boolean isLong = raw == long.class || raw == Long.class;
        // A fraction is cut off; what does not fit is refused.
        double rough = number.doubleValue();
        if (number instanceof BigInteger || Math.abs(rough) > 9.2233720368547748e18) {
            throw new IOException("Numeric value (" + value + ") out of range of " + raw.getName());
        }
        long whole = number.longValue();
        if (isLong) {
            return whole;
        }
        if (whole != (int) whole && (raw == int.class || raw == Integer.class)
                || whole != (short) whole && (raw == short.class || raw == Short.class)
                || (whole < Byte.MIN_VALUE || whole > 255) && (raw == byte.class || raw == Byte.class)) {
            throw new IOException("Numeric value (" + value + ") out of range of " + raw.getName());
        }
        return narrowed(raw, whole);
    }

    private static Object narrowed(Class<?> raw, long whole) throws IOException {
        if (raw == int.class || raw == Integer.class) {
            return (int) whole;
        }
        if (raw == short.class || raw == Short.class) {
            return (short) whole;
        }
        if (raw == byte.class || raw == Byte.class) {
            return (byte) whole;
        }
        throw mismatch(raw, whole);
    }

    private static Object constant(Class<?> raw, Object value) throws IOException {
        Object[] constants = raw.getEnumConstants();
        if (value instanceof Integer) {
            int index = (Integer) value;
            return index >= 0 && index < constants.length ? constants[index] : null;
        }
        if (!(value instanceof String)) {
            throw mismatch(raw, value);
        }
        for (Object each : constants) {
            if (((Enum<?>) each).name().equals(value)) {
                return each;
            }
        }
        return null;
    }

    private static Object date(Class<?> raw, Object value) throws Throwable {
        if ("".equals(value)) {
            return null;
        }
        long millis;
        if (value instanceof Number) {
            Number number = (Number) value;
            boolean isSeconds = value instanceof BigDecimal;
            millis = isSeconds ? Math.round(number.doubleValue() * 1000) : number.longValue();
        } else {
            millis = millis((String) value);
        }
        if (raw == Calendar.class) {
            Calendar calendar = Calendar.getInstance();
            calendar.setTimeInMillis(millis);
            return calendar;
        }
        return raw.getConstructor(long.class).newInstance(millis);
    }

    private static long millis(String text) throws IOException {
        String full = text.length() == 10 ? text + "T00:00:00Z" : text;
        try {
            return java.time.OffsetDateTime.parse(full).toInstant().toEpochMilli();
        } catch (java.time.DateTimeException wrong) {
            throw mismatch(Date.class, text);
        }
    }

    /** By a constructor or a factory of the class that takes a string. */
    private static Object fromText(Class<?> raw, String text) throws Throwable {
        try {
            for (Constructor<?> each : raw.getConstructors()) {
                if (each.getParameterTypes().length == 1 && each.getParameterTypes()[0] == String.class) {
                    return each.newInstance(text);
                }
            }
            for (String name : FACTORIES) {
                for (Method each : raw.getMethods()) {
                    if (each.getName().equals(name) && isFactory(each, raw)) {
                        return each.invoke(null, text);
                    }
                }
            }
        } catch (InvocationTargetException raised) {
            throw raised.getCause();
        }
        if (text.isEmpty()) {
            return null;
        }
        throw mismatch(raw, text);
    }

    private static boolean isFactory(Method method, Class<?> raw) {
        Class<?>[] takes = method.getParameterTypes();
        return Modifier.isStatic(method.getModifiers())
                && method.getReturnType() == raw
                && takes.length == 1
                && (takes[0] == String.class || takes[0] == CharSequence.class);
    }

    private static Object zero(Class<?> raw) {
        return Array.get(Array.newInstance(raw, 1), 0);
    }

    private static IOException mismatch(Class<?> raw, Object value) {
        String from =
                value instanceof Map
                        ? "an object"
                        : value instanceof String
                                ? "a string"
                                : value instanceof Boolean ? "a boolean" : "a number";
        return new IOException("Cannot read `" + raw.getName() + "` from " + from);
    }
}
