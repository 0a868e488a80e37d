package lamella.runtime;

import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON as trees: Map, List, String, Boolean, null, and for numbers Integer, Long, BigInteger or
 * BigDecimal.
 *
 * <p>Strict (RFC 8259), with bounds: nested at most 1,000 deep, numbers of at most 1,000 characters.
 */
final class Json {
    static final int MOST_DEEP = 1000;
    private static final int LONGEST_NUMBER = 1000;
    private static final int SURELY_INT = 9;
    private static final int SURELY_LONG = 18;

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** The tree of a text. Raises IOException, which names the place. */
    static Object read(String text) throws IOException {
        Json reader = new Json(text);
        Object value = reader.value(0);
        reader.skipSpace();
        if (reader.at < text.length()) {
            throw reader.wrong("the end");
        }
        return value;
    }

    private Object value(int depth) throws IOException {
        if (depth > MOST_DEEP) {
            throw new IOException("JSON is nested deeper than " + MOST_DEEP);
        }
        skipSpace();
        char next = at < text.length() ? text.charAt(at) : 0;
        switch (next) {
            case '{':
                return object(depth);
            case '[':
                return array(depth);
            case '"':
                return string();
            case 't':
                return word("true", Boolean.TRUE);
            case 'f':
                return word("false", Boolean.FALSE);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private Map<String, Object> object(int depth) throws IOException {
        Map<String, Object> members = new LinkedHashMap<String, Object>();
        at++;
        if (taken('}')) {
            return members;
        }
        do {
            skipSpace();
            if (at >= text.length() || text.charAt(at) != '"') {
                throw wrong("a member's name");
            }
            String name = string();
            if (!taken(':')) {
                throw wrong("':'");
            }
            members.put(name, value(depth + 1));
        } while (taken(','));
        if (!taken('}')) {
            throw wrong("',' or '}'");
        }
        return members;
    }

    private List<Object> array(int depth) throws IOException {
        List<Object> items = new ArrayList<Object>();
        at++;
        if (taken(']')) {
            return items;
        }
        do {
            items.add(value(depth + 1));
        } while (taken(','));
        if (!taken(']')) {
            throw wrong("',' or ']'");
        }
        return items;
    }

    private String string() throws IOException {
        int start = ++at;
        StringBuilder built = null;
        while (at < text.length()) {
            char next = text.charAt(at);
            if (next == '"') {
                String rest = text.substring(start, at++);
                return built == null ? rest : built.append(rest).toString();
            }
            if (next < ' ') {
                throw wrong("no control character");
            }
            if (next == '\\') {
                built = built == null ? new StringBuilder() : built;
                built.append(text, start, at);
                built.append(escaped());
                start = at;
            } else {
                at++;
            }
        }
        throw wrong("'\"'");
    }

    private char escaped() throws IOException {
        char kind = at + 1 < text.length() ? text.charAt(at + 1) : 0;
        at += 2;
        switch (kind) {
            case '"':
            case '\\':
            case '/':
                return kind;
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'u':
                return unit();
            default:
                at -= 1;
                throw wrong("an escape of JSON");
        }
    }

    private char unit() throws IOException {
        int unit = 0;
        for (int end = at + 4; at < end; at++) {
            int digit = at < text.length() ? Character.digit(text.charAt(at), 16) : -1;
            if (digit < 0 || text.charAt(at) > 'f') {
                throw wrong("a hexadecimal digit");
            }
            unit = unit * 16 + digit;
        }
        return (char) unit;
    }

    private Object word(String word, Object value) throws IOException {
        if (!text.startsWith(word, at)) {
            throw wrong("a value");
        }
        at += word.length();
        return value;
    }

    private Number number() throws IOException {
        int start = at;
        skip('-');
        int first = at;
        if (!digits("a value") || (text.charAt(first) == '0' && at > first + 1)) {
            throw wrong("a number without leading zeros");
        }
        boolean isWhole = true;
        if (skip('.')) {
            isWhole = false;
            digits("a digit");
        }
        if (skip('e') || skip('E')) {
            isWhole = false;
            if (!skip('-')) {
                skip('+');
            }
            digits("a digit");
        }
        if (at - start > LONGEST_NUMBER) {
            throw new IOException("JSON has a number of more than " + LONGEST_NUMBER + " characters");
        }
        return number(text.substring(start, at), isWhole);
    }

    private Number number(String digits, boolean isWhole) throws IOException {
        if (isWhole && digits.length() <= SURELY_INT) {
            return Integer.valueOf(digits);
        }
        if (isWhole && digits.length() <= SURELY_LONG) {
            long value = Long.parseLong(digits);
            return value == (int) value ? (Number) Integer.valueOf((int) value) : Long.valueOf(value);
        }
        if (isWhole) {
            BigInteger value = new BigInteger(digits);
            return value.bitLength() < 64 ? (Number) Long.valueOf(value.longValue()) : value;
        }
        try {
            return new BigDecimal(digits);
        } catch (NumberFormatException beyond) {
            throw new IOException("JSON has a number with an exponent out of range", beyond);
        }
    }

    private boolean digits(String expected) throws IOException {
        int start = at;
        while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
            at++;
        }
        if (at == start) {
            throw wrong(expected);
        }
        return true;
    }

    private boolean skip(char wanted) {
        if (at < text.length() && text.charAt(at) == wanted) {
            at++;
            return true;
        }
        return false;
    }

    private boolean taken(char wanted) {
        skipSpace();
        return skip(wanted);
    }

    private void skipSpace() {
        while (at < text.length()) {
            char next = text.charAt(at);
            if (next != ' ' && next != '\n' && next != '\r' && next != '\t') {
                return;
            }
            at++;
        }
    }

    private IOException wrong(String expected) {
        return new IOException("JSON is expected to have " + expected + " at character " + (at + 1));
    }

    /** A string in quotes. */
    static void write(StringBuilder out, String value) {
        out.append('"');
        int start = 0;
        for (int index = 0; index < value.length(); index++) {
            char each = value.charAt(index);
            if (each < ' ' || each == '"' || each == '\\') {
                out.append(value, start, index);
                escape(out, each);
                start = index + 1;
            }
        }
        out.append(value, start, value.length()).append('"');
    }

    static void writeStrings(StringBuilder out, List<String> values) {
        char separator = '[';
        for (String value : values) {
            out.append(separator);
            write(out, value);
            separator = ',';
        }
        out.append(values.isEmpty() ? "[]" : "]");
    }

    private static void escape(StringBuilder out, char each) {
        int named = "\b\f\n\r\t\"\\".indexOf(each);
        if (named >= 0) {
            out.append('\\').append("bfnrt\"\\".charAt(named));
        } else {
            out.append("\\u00").append(each < 16 ? '0' : '1').append("0123456789abcdef".charAt(each & 15));
        }
    }
}
