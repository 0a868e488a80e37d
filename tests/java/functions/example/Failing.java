package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Everything that goes wrong. */
public class Failing implements RequestHandler<String, String> {
    @Override
    public String handleRequest(String input, Context context) {
        try {
            return deep(input);
        } catch (NumberFormatException wrong) {
            throw new IllegalStateException("käse\n" + input, wrong);
        }
    }

    private String deep(String input) {
        return "" + Integer.parseInt(input);
    }

    public String silent(String input) {
        throw new UnsupportedOperationException();
    }

    public String rude(String input) {
        throw new RuntimeException("x") {
            @Override
            public String getMessage() {
                throw new IllegalStateException("no message");
            }
        };
    }

    public int overflow(int depth) {
        return depth < 0 ? 0 : overflow(depth + 1) + 1;
    }

    public int hoard(Object input) {
        List<long[]> kept = new ArrayList<>();
        while (true) {
            kept.add(new long[1 << 20]);
        }
    }

    public String leaves(int status) {
        System.exit(status);
        return "never";
    }

    public Object cyclic(Map<String, Object> input) {
        input.put("self", input);
        return input;
    }

    public void interrupts(Object input) {
        Thread.currentThread().interrupt();
    }

    public static class Static {
        static final int BY = Integer.parseInt("0");
        static final int VALUE = 1 / BY;

        public String go(String input) {
            return input + VALUE;
        }
    }

    public static class Constructor {
        public Constructor() {
            throw new IllegalArgumentException("not today");
        }

        public String go(String input) {
            return input;
        }
    }

    public static class Picky {
        public Picky(String wanted) {}

        public String go(String input) {
            return input;
        }
    }

    public class Inner {
        public String go(String input) {
            return input;
        }
    }

    @SuppressWarnings("rawtypes")
    public static class Raw implements RequestHandler {
        @Override
        public Object handleRequest(Object input, Context context) {
            return input;
        }
    }
}
