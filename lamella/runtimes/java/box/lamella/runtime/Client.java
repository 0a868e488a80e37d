package lamella.runtime;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * The Runtime API over one kept connection.
 *
 * <p>An answer and the question for the next invocation leave together, because the question
 * follows at once in any case.
 */
final class Client {
    private static final String PREFIX = "/2018-06-01/runtime/";
    private static final int TOGETHER = 1 << 16;
    private static final int CALL = 60000;

    private final String common;
    private final byte[] question;
    private final InputStream in;
    private final OutputStream out;
    private byte[] buffer = new byte[1 << 13];
    private int from;
    private int to;

    Client(String address) throws IOException {
        int colon = address.lastIndexOf(':');
        int port = Integer.parseInt(address.substring(colon + 1));
        Socket socket = new Socket();
        socket.connect(new InetSocketAddress(address.substring(0, colon), port));
        socket.setTcpNoDelay(true);
        in = socket.getInputStream();
        out = socket.getOutputStream();
        common =
                " HTTP/1.1\r\nHost: " + address
                        + "\r\nUser-Agent: aws-lambda-java/" + System.getProperty("java.vendor.version", "")
                        + "-" + System.getProperty("java.version") + "-lamella\r\n";
        question = ascii("GET " + PREFIX + "invocation/next" + common + "\r\n");
    }

    /** Ask for the first invocation. */
    Invocation next() throws IOException {
        out.write(question);
        return invocation();
    }

    /** Answer, and the next invocation. */
    Invocation respond(String id, byte[] body) throws IOException {
        send("invocation/" + id + "/response", "", body, question);
        receive();
        return invocation();
    }

    /** Answer with an error, and the next invocation. */
    Invocation fail(String id, Failure failure) throws IOException {
        send("invocation/" + id + "/error", type(failure), failure.json(), question);
        receive();
        return invocation();
    }

    /** Answer with an error that is this process's last; returns when it has arrived. */
    void failLast(String id, Failure failure) throws IOException {
        send("invocation/" + id + "/error", type(failure), failure.json(), new byte[0]);
        receive();
    }

    /** Say which classes came from layers, if the server would hear out as much. */
    void tell(byte[] names) throws IOException {
        if (names.length > CALL) {
            return;
        }
        byte[] head =
                ascii("POST /2018-06-01/lamella/imports" + common + "Content-Length: " + names.length
                        + "\r\n\r\n");
        out.write(head);
        out.write(names);
        receive();
    }

    void failInit(Failure failure) throws IOException {
        send("init/error", type(failure), failure.json(), new byte[0]);
        receive();
    }

    private static String type(Failure failure) {
        return "Lambda-Runtime-Function-Error-Type: " + failure.kind + "\r\n";
    }

    private void send(String path, String more, byte[] body, byte[] after) throws IOException {
        byte[] head =
                ascii("POST " + PREFIX + path + common + "Content-Type: application/json\r\n" + more
                        + "Content-Length: " + body.length + "\r\n\r\n");
        if (body.length > TOGETHER) {
            out.write(head);
            out.write(body);
            out.write(after);
            return;
        }
        byte[] all = Arrays.copyOf(head, head.length + body.length + after.length);
        System.arraycopy(body, 0, all, head.length, body.length);
        System.arraycopy(after, 0, all, head.length + body.length, after.length);
        out.write(all);
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private Invocation invocation() throws IOException {
        Invocation received = receive();
        if (received.header(":status") == null || !received.header(":status").equals("200")) {
            throw new EOFException("The Runtime API has no next invocation.");
        }
        return received;
    }

    private Invocation receive() throws IOException {
        Map<String, String> headers = new HashMap<String, String>();
        headers.put(":status", line().substring(9, 12));
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            headers.put(
                    line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).trim());
        }
        String length = headers.get("content-length");
        return new Invocation(headers, read(length == null ? 0 : Integer.parseInt(length)));
    }

    /** One line of a head, without its end. */
    private String line() throws IOException {
        int searched = from;
        while (true) {
            for (; searched < to; searched++) {
                if (buffer[searched] == '\n') {
                    int end = searched > from && buffer[searched - 1] == '\r' ? searched - 1 : searched;
                    String line = new String(buffer, from, end - from, StandardCharsets.UTF_8);
                    from = searched + 1;
                    return line;
                }
            }
            searched -= from;
            fill();
            searched += from;
        }
    }

    private byte[] read(int length) throws IOException {
        byte[] body = new byte[length];
        int have = Math.min(length, to - from);
        System.arraycopy(buffer, from, body, 0, have);
        from += have;
        while (have < length) {
            int more = in.read(body, have, length - have);
            if (more < 0) {
                throw new EOFException();
            }
            have += more;
        }
        return body;
    }

    private void fill() throws IOException {
        if (from > 0) {
            System.arraycopy(buffer, from, buffer, 0, to - from);
            to -= from;
            from = 0;
        }
        if (to == buffer.length) {
            buffer = Arrays.copyOf(buffer, buffer.length * 2);
        }
        int more = in.read(buffer, to, buffer.length - to);
        if (more < 0) {
            throw new EOFException();
        }
        to += more;
    }
}
