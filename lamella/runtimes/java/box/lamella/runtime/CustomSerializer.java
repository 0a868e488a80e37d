package lamella.runtime;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Type;
import java.util.Iterator;
import java.util.ServiceLoader;

/**
 * The serializer that a function brings in place of the runtime's own, as a service.
 *
 * <p>Source: https://docs.aws.amazon.com/lambda/latest/dg/java-custom-serialization.html
 */
final class CustomSerializer {
    private static final String SERVICE = Contexts.PACKAGE + "CustomPojoSerializer";

    private final Object serializer;
    private final Method reading;
    private final Method writing;

    private CustomSerializer(Class<?> service, Object serializer) throws NoSuchMethodException {
        this.serializer = serializer;
        reading = service.getMethod("fromJson", InputStream.class, Type.class);
        writing = service.getMethod("toJson", Object.class, OutputStream.class, Type.class);
    }

    /** The one that the function's class path has; null if it has none. Raises Fault for several. */
    static CustomSerializer of(ClassLoader loader) {
        if (loader.getResource("META-INF/services/" + SERVICE) == null) {
            return null;
        }
        try {
            Class<?> service = Class.forName(SERVICE, true, loader);
            Iterator<?> found = ServiceLoader.load(service, loader).iterator();
            if (!found.hasNext()) {
                return null;
            }
            CustomSerializer only = new CustomSerializer(service, found.next());
            if (found.hasNext()) {
                throw new Fault(
                        Failure.plain(
                                "Too many serializers provided inside the META-INF/services folder,"
                                        + " only one is allowed"));
            }
            return only;
        } catch (ReflectiveOperationException | LinkageError | java.util.ServiceConfigurationError wrong) {
            throw new Fault(Failure.unusable(null, wrong, true));
        }
    }

    Object read(Shape shape, byte[] body) throws Throwable {
        return call(reading, new ByteArrayInputStream(body), shape.type);
    }

    byte[] write(Shape shape, Object value) throws Throwable {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        call(writing, value, out, shape.type);
        return out.toByteArray();
    }

    private Object call(Method method, Object... arguments) throws Throwable {
        try {
            return method.invoke(serializer, arguments);
        } catch (InvocationTargetException raised) {
            throw raised.getCause();
        }
    }
}
