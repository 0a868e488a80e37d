package example;

import com.amazonaws.services.lambda.runtime.Context;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.math.BigDecimal;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Methods of every signature that a handler may have. */
public class Methods {
    private int calls;

    public Object echo(Object input) {
        return input;
    }

    public String text(String input) {
        return input == null ? "nothing" : input + "!";
    }

    public int sum(int[] numbers) {
        int sum = 0;
        for (int each : numbers) {
            sum += each;
        }
        return sum;
    }

    public static long doubled(long number) {
        return number * 2;
    }

    public double halved(Double number) {
        return number / 2;
    }

    public BigDecimal exact(BigDecimal number) {
        return number;
    }

    public Boolean not(boolean value) {
        return !value;
    }

    public List<String> lengths(List<String> words) {
        words.add(words.get(0).length() + "");
        return words;
    }

    public int keys(Map<String, List<Integer>> lists) {
        int sum = 0;
        for (List<Integer> list : lists.values()) {
            for (Integer each : list) {
                sum += each;
            }
        }
        return sum;
    }

    public Set<Letter> letters(Set<Letter> letters) {
        return letters;
    }

    public enum Letter {
        A,
        B
    }

    public String bytes(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    public void nothing() {}

    public Void nothingEither(String input, Context context) {
        return null;
    }

    public int count() {
        return ++calls;
    }

    public String onlyContext(Context context) {
        return context.getFunctionName();
    }

    public String withContext(String input, Context context) {
        return input + " " + context.getFunctionVersion();
    }

    public void stream(InputStream input, OutputStream output) throws IOException {
        output.write('[');
        copy(input, output);
        output.write(']');
    }

    public void streamWithContext(InputStream input, OutputStream output, Context context)
            throws IOException {
        output.write(("\"" + context.getMemoryLimitInMB() + "\"").getBytes(StandardCharsets.UTF_8));
    }

    static void copy(InputStream input, OutputStream output) throws IOException {
        byte[] piece = new byte[8192];
        for (int size = input.read(piece); size > 0; size = input.read(piece)) {
            output.write(piece, 0, size);
        }
    }

    public List<String> which(String name) throws IOException {
        List<String> found = new ArrayList<>();
        for (URL each : Collections.list(getClass().getClassLoader().getResources(name))) {
            try (InputStream input = each.openStream()) {
                ByteArrayOutputStream content = new ByteArrayOutputStream();
                copy(input, content);
                found.add(content.toString("UTF-8"));
            }
        }
        return found;
    }

    public String overloaded(String input) {
        return "one";
    }

    public String overloaded(String input, Context context) {
        return "two";
    }

    public String tooMany(String one, String two) {
        return one + two;
    }

    String hidden(String input) {
        return input;
    }
}
