package lamella.runtime;

import java.util.Map;

/** What the Runtime API sent for one invocation. Names of headers are lower case. */
final class Invocation {
    final byte[] body;
    private final Map<String, String> headers;

    Invocation(Map<String, String> headers, byte[] body) {
        this.headers = headers;
        this.body = body;
    }

    String requestId() {
        return header("lambda-runtime-aws-request-id");
    }

    /** The value of a header; null where it is missing or empty. */
    String header(String name) {
        String value = headers.get(name);
        return value == null || value.isEmpty() ? null : value;
    }
}
