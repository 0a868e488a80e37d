package example;

import java.util.Calendar;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;

/** Types that need more than a setter. */
public class Shapes {
    public static class All {
        public byte small;
        public short medium;
        public float single;
        public char letter;
        public Integer none = 1;
        public Optional<String> maybe = Optional.of("x");
        public Optional<Integer> set;
        public Date date;
        public UUID id;
        public String[][] table;
        public TreeMap<Integer, Methods.Letter> byNumber;
        public Map<String, ? extends List<Node>> nodes;
        public Object anything;
        public double special;
        public char[] letters;
        public java.time.Instant instant;
        public List<int[]> arrays;
    }

    public static class Node {
        public String name;
        public Node next;
    }

    public All all(All input) {
        return input;
    }

    public long dates(Calendar input) {
        return input.getTimeInMillis();
    }

    public String overloadedSetter(Overloaded input) {
        return input.value + "";
    }

    public static class Overloaded {
        private long value;

        public long getValue() {
            return value;
        }

        public void setValue(String value) {
            this.value = -1;
        }

        public void setValue(long value) {
            this.value = value;
        }
    }
}
