package lamella.runtime;

import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Member;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The properties of a class: what can be read of its objects, and what can be set.
 *
 * <p>Read: public getters (`getX`, `isX` of a boolean) and public fields. Set: setters of any
 * visibility and public fields. Records: their components. The order is that of the fields, then
 * that of the names. Classes of AWS's events library are set as AWS's runtime does it: names in any
 * case, private fields too.
 */
final class Bean {
    private static final String AWS_EVENTS = "com.amazonaws.services.lambda.runtime.events.";
    private static final Map<Class<?>, Bean> KNOWN = new ConcurrentHashMap<Class<?>, Bean>();
    private static final Comparator<Member> BY_NAME =
            new Comparator<Member>() {
                @Override
                public int compare(Member one, Member other) {
                    return one.getName().compareTo(other.getName());
                }
            };

    /** What reads each property: a Method or a Field. */
    final Map<String, Member> readers = new LinkedHashMap<String, Member>();
    /** Components of a record, in order; null for other classes. */
    final List<Method> components;
    /** Whether it is a class of AWS's events library. */
    final boolean isOfAws;

    private final Class<?> type;
    private final Map<String, Member> writers;

    private Bean(Class<?> type) {
        this.type = type;
        isOfAws = type.getName().startsWith(AWS_EVENTS);
        writers =
                isOfAws
                        ? new TreeMap<String, Member>(String.CASE_INSENSITIVE_ORDER)
                        : new LinkedHashMap<String, Member>();
        components = componentsOf(type);
        List<Field> fields = new ArrayList<Field>();
        for (Class<?> each = type; each != null && each != Object.class; each = each.getSuperclass()) {
            fields.addAll(0, Arrays.asList(each.getDeclaredFields()));
        }
        Map<String, Method> getters = getters();
        for (Field field : fields) {
            addField(field, getters.remove(field.getName()));
        }
        readers.putAll(getters);
        addSetters();
    }

    static Bean of(Class<?> type) {
        Bean known = KNOWN.get(type);
        if (known == null) {
            known = new Bean(type);
            KNOWN.put(type, known);
        }
        return known;
    }

    /** What sets a property: a Method or a Field; null for what cannot be set. */
    Member writer(String name) {
        return writers.get(name);
    }

    /** What a writer takes. */
    static Type taken(Member writer) {
        return writer instanceof Field
                ? ((Field) writer).getGenericType()
                : ((Method) writer).getGenericParameterTypes()[0];
    }

    static Object read(Object bean, Member reader) throws Throwable {
        try {
            return reader instanceof Field ? ((Field) reader).get(bean) : ((Method) reader).invoke(bean);
        } catch (InvocationTargetException raised) {
            throw raised.getCause();
        }
    }

    static void write(Object bean, Member writer, Object value) throws Throwable {
        try {
            if (writer instanceof Field) {
                ((Field) writer).set(bean, value);
            } else {
                ((Method) writer).invoke(bean, value);
            }
        } catch (InvocationTargetException raised) {
            throw raised.getCause();
        }
    }

    /** A new object whose properties are not set yet. */
    Object make() throws Throwable {
        Constructor<?> constructor = null;
        for (Constructor<?> each : type.getDeclaredConstructors()) {
            if (each.getParameterTypes().length == 0 || (isOfAws && constructor == null)) {
                constructor = each;
            }
        }
        if (constructor == null || Modifier.isAbstract(type.getModifiers())) {
            throw new java.io.IOException(
                    "Cannot construct instance of `" + type.getName() + "` (it has no default constructor)");
        }
        open(constructor);
        return make(constructor, new Object[constructor.getParameterTypes().length]);
    }

    /** A record of these components. */
    Object make(Object[] values) throws Throwable {
        Class<?>[] types = new Class<?>[values.length];
        for (int index = 0; index < types.length; index++) {
            types[index] = components.get(index).getReturnType();
        }
        Constructor<?> constructor = type.getDeclaredConstructor(types);
        open(constructor);
        return make(constructor, values);
    }

    private static Object make(Constructor<?> constructor, Object[] values) throws Throwable {
        try {
            return constructor.newInstance(values);
        } catch (InvocationTargetException raised) {
            throw raised.getCause();
        }
    }

    private void addField(Field field, Method getter) {
        int modifiers = field.getModifiers();
        if (Modifier.isStatic(modifiers) || field.isSynthetic()) {
            if (getter != null) {
                readers.put(field.getName(), getter);
            }
            return;
        }
        boolean isSeen = Modifier.isPublic(modifiers) && !Modifier.isTransient(modifiers);
        if (getter != null) {
            readers.put(field.getName(), getter);
        } else if (isSeen && open(field)) {
            readers.put(field.getName(), field);
        }
        if ((isSeen || isOfAws) && open(field)) {
            writers.put(field.getName(), field);
        }
    }

    private Map<String, Method> getters() {
        Map<String, Method> found = new LinkedHashMap<String, Method>();
        if (components != null) {
            for (Method component : components) {
                found.put(component.getName(), component);
            }
            return found;
        }
        Method[] methods = type.getMethods();
        Arrays.sort(methods, BY_NAME);
        for (Method method : methods) {
            String name = property(method);
            // Of `getX` and `isX` it is the first.
            if (name != null && !found.containsKey(name) && open(method)) {
                found.put(name, method);
            }
        }
        return found;
    }

    private static String property(Method method) {
        boolean isPlain =
                method.getParameterTypes().length == 0
                        && !Modifier.isStatic(method.getModifiers())
                        && !method.isBridge()
                        && !method.isSynthetic()
                        && method.getDeclaringClass() != Object.class;
        if (!isPlain) {
            return null;
        }
        Class<?> answer = method.getReturnType();
        String name = method.getName();
        if (name.startsWith("get") && name.length() > 3 && answer != void.class) {
            return decapitalised(name.substring(3));
        }
        boolean isTold = answer == boolean.class || answer == Boolean.class;
        return name.startsWith("is") && name.length() > 2 && isTold
                ? decapitalised(name.substring(2))
                : null;
    }

    private void addSetters() {
        for (Class<?> each = type; each != null && each != Object.class; each = each.getSuperclass()) {
            Method[] methods = each.getDeclaredMethods();
            Arrays.sort(methods, BY_NAME);
            for (Method method : methods) {
                boolean isSetter =
                        method.getName().startsWith("set")
                                && method.getName().length() > 3
                                && method.getParameterTypes().length == 1
                                && !Modifier.isStatic(method.getModifiers())
                                && !method.isBridge()
                                && !method.isSynthetic();
                if (isSetter) {
                    addSetter(decapitalised(method.getName().substring(3)), method);
                }
            }
        }
    }

    /** Of several setters of one property it is the one that takes what the getter gives. */
    private void addSetter(String name, Method setter) {
        Member reader = readers.get(name);
        Class<?> wanted =
                reader instanceof Method
                        ? ((Method) reader).getReturnType()
                        : reader == null ? null : ((Field) reader).getType();
        Member before = writers.get(name);
        boolean isFirst = !(before instanceof Method);
        if ((isFirst || setter.getParameterTypes()[0] == wanted && taken(before) != wanted) && open(setter)) {
            writers.put(name, setter);
        }
    }

    private static String decapitalised(String name) {
        boolean isShouted =
                name.length() > 1
                        && Character.isUpperCase(name.charAt(0))
                        && Character.isUpperCase(name.charAt(1));
        return isShouted ? name : name.substring(0, 1).toLowerCase(Locale.ROOT) + name.substring(1);
    }

    /** Whether reflection may use it, if need be against its visibility. */
    static boolean open(AccessibleObject member) {
        try {
            member.setAccessible(true);
            return true;
        } catch (RuntimeException refused) {
            // A module that is not open: what is public there works all the same.
            return Modifier.isPublic(((Member) member).getModifiers());
        }
    }

    /** Records are asked for by reflection, for there are none before Java 16. */
    private static List<Method> componentsOf(Class<?> type) {
        if (type.getSuperclass() == null || !type.getSuperclass().getName().equals("java.lang.Record")) {
            return null;
        }
        try {
            List<Method> found = new ArrayList<Method>();
            for (Object each : (Object[]) Class.class.getMethod("getRecordComponents").invoke(type)) {
                Method accessor = (Method) each.getClass().getMethod("getAccessor").invoke(each);
                open(accessor);
                found.add(accessor);
            }
            return found;
        } catch (ReflectiveOperationException impossible) {
            return Collections.emptyList();
        }
    }
}
