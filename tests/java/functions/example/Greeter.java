package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;

/** A RequestHandler whose types are said by what it extends. */
public class Greeter {
    public static class Hello extends Base<Person> {}

    public abstract static class Base<T extends Comparable<T>> implements RequestHandler<T, Greeting<T>> {
        @Override
        public Greeting<T> handleRequest(T input, Context context) {
            Greeting<T> greeting = new Greeting<>();
            greeting.whom = input;
            greeting.setText("Hello, " + input);
            return greeting;
        }
    }

    public static class Greeting<T> {
        public T whom;
        public String none;
        public transient String secret = "kept";
        private String text;
        private boolean isKind = true;

        public String getText() {
            return text;
        }

        public void setText(String text) {
            this.text = text;
        }

        public boolean isKind() {
            return isKind;
        }
    }

    public static class Person implements Comparable<Person> {
        private String name;
        private Address home;
        public java.util.List<Address> others = new java.util.ArrayList<>();

        public String getName() {
            return name;
        }

        void setName(String name) {
            this.name = name;
        }

        public Address getHome() {
            return home;
        }

        public void setHome(Address home) {
            this.home = home;
        }

        @Override
        public int compareTo(Person other) {
            return name.compareTo(other.name);
        }

        @Override
        public String toString() {
            return name + " of " + (home == null ? "nowhere" : home.city);
        }
    }

    public static class Address {
        public String city;
        private int zip;
        private String URL;

        public int getZip() {
            return zip;
        }

        public void setZip(int zip) {
            this.zip = zip;
        }

        public String getURL() {
            return URL;
        }

        public void setURL(String URL) {
            this.URL = URL;
        }
    }
}
