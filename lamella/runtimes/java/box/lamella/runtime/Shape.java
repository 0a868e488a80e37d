package lamella.runtime;

import java.lang.reflect.Array;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;

/** A type whose variables are filled in: a class, and what each variable of its ancestors means. */
final class Shape {
    private static final Map<TypeVariable<?>, Shape> NOTHING = Collections.emptyMap();

    static final Shape OBJECT = of(Object.class);

    final Class<?> raw;
    /** The type as it is declared, variables and all. */
    final Type type;

    private final Map<TypeVariable<?>, Shape> outside;
    /** Filled in when it is first asked for: a type may be an argument of its own ancestor. */
    private Map<TypeVariable<?>, Shape> meanings;

    private Shape(Class<?> raw, Type type, Map<TypeVariable<?>, Shape> outside) {
        this.raw = raw;
        this.type = type;
        this.outside = outside;
    }

    static Shape of(Type type) {
        return of(type, NOTHING);
    }

    /** The shape of what a member of this type is declared as. */
    Shape member(Type declared) {
        return of(declared, meanings());
    }

    /** What a variable of an ancestor means here; null where nothing says it. */
    Shape argument(Class<?> ancestor, int index) {
        return meanings().get(ancestor.getTypeParameters()[index]);
    }

    /** As `argument`, or any object where nothing says it. */
    Shape element(Class<?> ancestor, int index) {
        Shape found = argument(ancestor, index);
        return found == null ? OBJECT : found;
    }

    /** What an array's elements are. */
    Shape component() {
        if (type instanceof GenericArrayType) {
            return of(((GenericArrayType) type).getGenericComponentType(), outside);
        }
        return of(raw.getComponentType());
    }

    private static Shape of(Type type, Map<TypeVariable<?>, Shape> outside) {
        if (type instanceof TypeVariable) {
            Shape meant = outside.get(type);
            return meant == null ? of(erased(type)) : meant;
        }
        if (type instanceof WildcardType) {
            return of(((WildcardType) type).getUpperBounds()[0], outside);
        }
        if (type instanceof GenericArrayType) {
            Shape component = of(((GenericArrayType) type).getGenericComponentType(), outside);
            return new Shape(Array.newInstance(component.raw, 0).getClass(), type, outside);
        }
        return new Shape(erased(type), type, outside);
    }

    private Map<TypeVariable<?>, Shape> meanings() {
        if (meanings == null) {
            meanings = new HashMap<TypeVariable<?>, Shape>();
            collect(type, outside, meanings);
        }
        return meanings;
    }

    private static void collect(
            Type type, Map<TypeVariable<?>, Shape> outside, Map<TypeVariable<?>, Shape> into) {
        if (type == null || type == Object.class || type instanceof GenericArrayType) {
            return;
        }
        Class<?> raw = erased(type);
        if (type instanceof ParameterizedType) {
            Type[] given = ((ParameterizedType) type).getActualTypeArguments();
            TypeVariable<?>[] variables = raw.getTypeParameters();
            for (int index = 0; index < given.length; index++) {
                into.put(variables[index], of(given[index], outside));
            }
        }
        collect(raw.getGenericSuperclass(), into, into);
        for (Type each : raw.getGenericInterfaces()) {
            collect(each, into, into);
        }
    }

    private static Class<?> erased(Type type) {
        if (type instanceof Class) {
            return (Class<?>) type;
        }
        if (type instanceof ParameterizedType) {
            return (Class<?>) ((ParameterizedType) type).getRawType();
        }
        if (type instanceof TypeVariable) {
            return erased(((TypeVariable<?>) type).getBounds()[0]);
        }
        return Object.class;
    }
}
