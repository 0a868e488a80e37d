package lamella.runtime;

import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;

/**
 * Finds a function's handler: `package.Class::method`, or `package.Class` of one of the interfaces of
 * aws-lambda-java-core, which are known by name.
 *
 * <p>Source: https://docs.aws.amazon.com/lambda/latest/dg/java-handler.html
 */
final class Handlers {
    private static final String REQUEST = Contexts.PACKAGE + "RequestHandler";
    private static final String STREAM = Contexts.PACKAGE + "RequestStreamHandler";
    private static final String CONTEXT = Contexts.PACKAGE + "Context";

    private final ClassLoader loader;
    private final Contexts contexts;
    private final CustomSerializer custom;

    /** Raises Fault for a serializer of the function's own that cannot be used. */
    Handlers(ClassLoader loader, Contexts contexts) {
        this.loader = loader;
        this.contexts = contexts;
        custom = CustomSerializer.of(loader);
    }

    static boolean isContext(Class<?> type) {
        return type.getName().equals(CONTEXT);
    }

    /** The handler of a name. Raises Fault. */
    Handler find(String name) {
        int colons = name.lastIndexOf("::");
        String className = colons < 0 ? name : name.substring(0, colons);
        String method = colons < 0 ? null : name.substring(colons + 2);
        if (className.isEmpty() || (method != null && method.isEmpty())) {
            throw new Fault(Failure.plain("Invalid handler: `" + name + "'"));
        }
        Class<?> type = load(className);
        try {
            return method == null ? implemented(type) : named(type, method);
        } catch (NoClassDefFoundError missing) {
            throw new Fault(
                    Failure.unusable(
                            method == null
                                    ? "Error loading class " + className + ": " + missing.getMessage()
                                    : "Error loading method " + method + " on class " + className,
                            missing,
                            false));
        }
    }

    private Class<?> load(String className) {
        try {
            return Class.forName(className, true, loader);
        } catch (ClassNotFoundException missing) {
            throw new Fault(Failure.unusable("Class not found: " + className, missing, false));
        } catch (Throwable raised) {
            throw new Fault(Failure.loading(className, raised));
        }
    }

    private Handler implemented(Class<?> type) {
        Class<?> stream = ancestor(type, STREAM);
        if (stream != null) {
            return new Handler(instance(type), theOnly(stream), null, null, contexts, custom);
        }
        Class<?> request = ancestor(type, REQUEST);
        if (request == null) {
            throw new Fault(
                    Failure.plain(
                            "Class does not implement an appropriate handler interface: "
                                    + type.getName()));
        }
        Shape shape = Shape.of(type);
        Shape input = shape.argument(request, 0);
        Shape output = shape.argument(request, 1);
        if (input == null || output == null) {
            throw new Fault(
                    Failure.plain(
                            "Class " + type.getName()
                                    + " does not implement RequestHandler with concrete type parameters"));
        }
        return new Handler(instance(type), theOnly(request), input, given(output), contexts, custom);
    }

    /** The interface of this name that `type` has; null if it has none. */
    private static Class<?> ancestor(Class<?> type, String name) {
        if (type == null || type.getName().equals(name)) {
            return type;
        }
        for (Class<?> each : type.getInterfaces()) {
            Class<?> found = ancestor(each, name);
            if (found != null) {
                return found;
            }
        }
        return ancestor(type.getSuperclass(), name);
    }

    private static Method theOnly(Class<?> handlerInterface) {
        for (Method each : handlerInterface.getMethods()) {
            if (each.getName().equals("handleRequest")) {
                Bean.open(each);
                return each;
            }
        }
        throw new Fault(Failure.plain(handlerInterface.getName() + " has no method handleRequest"));
    }

    private Handler named(Class<?> type, String name) {
        List<Method> methods = new ArrayList<Method>();
        for (Method each : type.getMethods()) {
            if (each.getName().equals(name)) {
                methods.add(each);
            }
        }
        Collections.sort(methods, BY_PREFERENCE);
        for (Method each : methods) {
            if (isFitting(each.getParameterTypes())) {
                return of(type, each);
            }
        }
        throw new Fault(
                Failure.plain(
                        "No public method named " + name
                                + " with appropriate method signature found on class " + type.getName()));
    }

    private Handler of(Class<?> type, Method method) {
        Object instance = Modifier.isStatic(method.getModifiers()) ? null : instance(type);
        Shape shape = Shape.of(type);
        Type[] takes = method.getGenericParameterTypes();
        Shape input = takes.length == 0 ? null : shape.member(takes[0]);
        boolean isStream = input != null && input.raw == InputStream.class;
        Shape output = isStream ? null : given(shape.member(method.getGenericReturnType()));
        Bean.open(method);
        return new Handler(instance, method, input, output, contexts, custom);
    }

    /** What a result is, null for none. */
    private static Shape given(Shape output) {
        return output.raw == void.class || output.raw == Void.class ? null : output;
    }

    private static boolean isFitting(Class<?>[] takes) {
        int count = takes.length;
        if (count > 0 && isContext(takes[count - 1])) {
            count--;
        }
        if (count == 2) {
            return takes[0] == InputStream.class && takes[1] == OutputStream.class;
        }
        return count < 2 && (count == 0 || !isContext(takes[0]));
    }

    /** The longest list of parameters first, one with a context counted one longer, as on AWS. */
    private static final Comparator<Method> BY_PREFERENCE =
            new Comparator<Method>() {
                @Override
                public int compare(Method one, Method other) {
                    return weight(other) - weight(one);
                }
            };

    private static int weight(Method method) {
        Class<?>[] takes = method.getParameterTypes();
        boolean hasContext = takes.length > 0 && isContext(takes[takes.length - 1]);
        return takes.length + (hasContext ? 1 : 0) - (method.isBridge() ? 1000 : 0);
    }

    private static Object instance(Class<?> type) {
        String name = type.getName();
        try {
            Constructor<?> constructor = type.getConstructor();
            Bean.open(constructor);
            return constructor.newInstance();
        } catch (InvocationTargetException raised) {
            throw new Fault(Failure.unusable(null, raised.getCause(), true));
        } catch (NoSuchMethodException missing) {
            boolean isInner = type.getEnclosingClass() != null && !Modifier.isStatic(type.getModifiers());
            String why =
                    isInner
                            ? " cannot be instantiated because it is a non-static inner class"
                            : " has no public zero-argument constructor";
            throw new Fault(Failure.unusable(null, new Exception("Class " + name + why), false));
        } catch (ReflectiveOperationException | ExceptionInInitializerError raised) {
            throw new Fault(Failure.unusable(null, raised, false));
        }
    }
}
