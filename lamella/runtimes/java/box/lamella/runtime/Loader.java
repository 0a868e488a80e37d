package lamella.runtime;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.security.CodeSource;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.GZIPOutputStream;

/** A loader that remembers which classes it took from the layers. */
final class Loader extends URLClassLoader {
    private static final int MOST = 5000;

    static {
        registerAsParallelCapable();
    }

    private final String layers;
    private final Queue<String> names = new ConcurrentLinkedQueue<String>();
    private final AtomicInteger count = new AtomicInteger();

    Loader(URL[] places, ClassLoader parent, String layers) {
        super(places, parent);
        this.layers = layers;
    }

    @Override
    protected Class<?> findClass(String name) throws ClassNotFoundException {
        Class<?> found = super.findClass(name);
        CodeSource source = found.getProtectionDomain().getCodeSource();
        if (source != null
                && source.getLocation().getPath().startsWith(layers)
                && count.incrementAndGet() <= MOST) {
            names.add(name);
        }
        return found;
    }

    /** The names, a line each, compressed. */
    byte[] told() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        GZIPOutputStream out = new GZIPOutputStream(bytes);
        for (String name : names) {
            out.write((name + "\n").getBytes(StandardCharsets.UTF_8));
        }
        out.close();
        return bytes.toByteArray();
    }
}
