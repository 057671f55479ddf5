package pileus;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/** JSON as maps, lists, strings, numbers; and those as the handler's own types (beans, records, enums) and back. */
final class Json {
    private final String text;
    private int position;

    private Json(String text) {
        this.text = text;
    }

    static Object parse(byte[] bytes) {
        Json json = new Json(new String(bytes, StandardCharsets.UTF_8));
        Object value = json.value(0);
        json.space();
        if (json.position < json.text.length()) throw json.wrong();
        return value;
    }

    private Object value(int depth) {
        if (depth > 1000) throw wrong();
        space();
        switch (peek()) {
            case '{' -> {
                Map<String, Object> map = new LinkedHashMap<>();
                position++;
                space();
                if (take('}')) return map;
                do {
                    space();
                    if (peek() != '"') throw wrong();
                    String name = string();
                    space();
                    if (!take(':')) throw wrong();
                    map.put(name, value(depth + 1));
                    space();
                } while (take(','));
                if (!take('}')) throw wrong();
                return map;
            }
            case '[' -> {
                List<Object> list = new ArrayList<>();
                position++;
                space();
                if (take(']')) return list;
                do {
                    list.add(value(depth + 1));
                    space();
                } while (take(','));
                if (!take(']')) throw wrong();
                return list;
            }
            case '"' -> {
                return string();
            }
            case 't' -> {
                return word("true", Boolean.TRUE);
            }
            case 'f' -> {
                return word("false", Boolean.FALSE);
            }
            case 'n' -> {
                return word("null", null);
            }
            default -> {
                return number();
            }
        }
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, position)) throw wrong();
        position += word.length();
        return value;
    }

    private Object number() {
        int start = position;
        while (position < text.length() && "+-.0123456789eE".indexOf(text.charAt(position)) >= 0) position++;
        String digits = text.substring(start, position);
        try {
            if (digits.matches("-?\\d+")) {
                BigInteger whole = new BigInteger(digits);
                if (whole.bitLength() < 32) return whole.intValue();
                return whole.bitLength() < 64 ? (Object) whole.longValue() : whole;
            }
            return Double.valueOf(digits);
        } catch (NumberFormatException error) {
            throw wrong();
        }
    }

    private String string() {
        StringBuilder result = new StringBuilder();
        position++;
        while (true) {
            char one = peek();
            position++;
            if (one == '"') return result.toString();
            if (one != '\\') {
                result.append(one);
                continue;
            }
            char escaped = peek();
            position++;
            switch (escaped) {
                case 'n' -> result.append('\n');
                case 't' -> result.append('\t');
                case 'r' -> result.append('\r');
                case 'b' -> result.append('\b');
                case 'f' -> result.append('\f');
                case 'u' -> {
                    if (position + 4 > text.length()) throw wrong();
                    result.append((char) Integer.parseInt(text.substring(position, position + 4), 16));
                    position += 4;
                }
                case '"', '\\', '/' -> result.append(escaped);
                default -> throw wrong();
            }
        }
    }

    private char peek() {
        if (position >= text.length()) throw wrong();
        return text.charAt(position);
    }

    private boolean take(char wanted) {
        if (position < text.length() && text.charAt(position) == wanted) {
            position++;
            return true;
        }
        return false;
    }

    private void space() {
        while (position < text.length() && " \t\r\n".indexOf(text.charAt(position)) >= 0) position++;
    }

    private IllegalArgumentException wrong() {
        return new IllegalArgumentException("An error occurred during JSON parsing at position " + position);
    }

    // To the handler's types.

    static Object convert(Object value, Type type) throws ReflectiveOperationException {
        if (type instanceof WildcardType wildcard) return convert(value, wildcard.getUpperBounds()[0]);
        if (type instanceof GenericArrayType array) return array(value, array.getGenericComponentType(), raw(array.getGenericComponentType()));
        Class<?> raw = raw(type);
        if (value == null) return raw == Optional.class ? Optional.empty() : null;
        if (raw == Object.class) return value;
        if (raw == String.class || raw == CharSequence.class) {
            return value instanceof Map || value instanceof Collection ? write(value) : String.valueOf(value);
        }
        if (raw == boolean.class || raw == Boolean.class) return value instanceof Boolean ? value : Boolean.valueOf(value.toString());
        if (raw.isPrimitive() || Number.class.isAssignableFrom(raw)) return number(new BigDecimal(value.toString()), raw);
        if (raw.isEnum()) return Enum.valueOf(raw.asSubclass(Enum.class), value.toString());
        if (raw.isArray()) return array(value, raw.getComponentType(), raw.getComponentType());
        if (raw == Optional.class) return Optional.of(convert(value, argument(type, 0)));
        if (Collection.class.isAssignableFrom(raw) && value instanceof List<?> list) {
            Collection<Object> result = Set.class.isAssignableFrom(raw) ? new LinkedHashSet<>() : new ArrayList<>();
            for (Object element : list) result.add(convert(element, argument(type, 0)));
            return result;
        }
        if (!(value instanceof Map<?, ?> map)) throw new IllegalArgumentException("An error occurred during JSON parsing: no " + raw.getName() + " in " + write(value));
        if (Map.class.isAssignableFrom(raw)) {
            Map<Object, Object> result = new LinkedHashMap<>();
            for (Map.Entry<?, ?> entry : map.entrySet()) result.put(convert(entry.getKey(), argument(type, 0)), convert(entry.getValue(), argument(type, 1)));
            return result;
        }
        return raw.isRecord() ? record(map, raw) : bean(map, raw);
    }

    private static Class<?> raw(Type type) {
        if (type instanceof Class<?> one) return one;
        return type instanceof ParameterizedType bound ? (Class<?>) bound.getRawType() : Object.class;
    }

    private static Type argument(Type type, int index) {
        return type instanceof ParameterizedType bound ? bound.getActualTypeArguments()[index] : Object.class;
    }

    private static Object number(BigDecimal value, Class<?> type) {
        if (type == int.class || type == Integer.class) return value.intValue();
        if (type == long.class || type == Long.class) return value.longValue();
        if (type == double.class || type == Double.class) return value.doubleValue();
        if (type == float.class || type == Float.class) return value.floatValue();
        if (type == short.class || type == Short.class) return value.shortValue();
        if (type == byte.class || type == Byte.class) return value.byteValue();
        return type == BigInteger.class ? value.toBigInteger() : value;
    }

    private static Object array(Object value, Type element, Class<?> raw) throws ReflectiveOperationException {
        List<?> list = (List<?>) value;
        Object result = Array.newInstance(raw, list.size());
        for (int index = 0; index < list.size(); index++) Array.set(result, index, convert(list.get(index), element));
        return result;
    }

    private static Object record(Map<?, ?> map, Class<?> type) throws ReflectiveOperationException {
        RecordComponent[] components = type.getRecordComponents();
        Class<?>[] types = new Class<?>[components.length];
        Object[] values = new Object[components.length];
        for (int index = 0; index < components.length; index++) {
            types[index] = components[index].getType();
            Object value = convert(map.get(components[index].getName()), components[index].getGenericType());
            values[index] = value == null && types[index].isPrimitive() ? Array.get(Array.newInstance(types[index], 1), 0) : value;
        }
        Constructor<?> constructor = type.getDeclaredConstructor(types);
        constructor.setAccessible(true);
        return constructor.newInstance(values);
    }

    private static Object bean(Map<?, ?> map, Class<?> type) throws ReflectiveOperationException {
        Constructor<?> constructor = type.getDeclaredConstructor();
        constructor.setAccessible(true);
        Object bean = constructor.newInstance();
        Map<String, Object> byName = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        map.forEach((name, value) -> byName.put(name.toString(), value));
        for (Method method : type.getMethods()) {
            String name = method.getName();
            if (name.length() > 3 && name.startsWith("set") && method.getParameterCount() == 1 && byName.containsKey(name.substring(3))) {
                method.setAccessible(true);
                method.invoke(bean, convert(byName.remove(name.substring(3)), method.getGenericParameterTypes()[0]));
            }
        }
        for (Field field : type.getFields()) {
            if (!Modifier.isStatic(field.getModifiers()) && byName.containsKey(field.getName())) {
                field.set(bean, convert(byName.get(field.getName()), field.getGenericType()));
            }
        }
        return bean;
    }

    // From them.

    static String write(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out, 0);
        return out.toString();
    }

    private static void write(Object value, StringBuilder out, int depth) {
        if (depth > 200) throw new IllegalArgumentException("the response refers to itself");
        if (value == null || value instanceof Boolean) {
            out.append(value);
        } else if (value instanceof Number number) {
            boolean finite = !(value instanceof Double d) || !(d.isNaN() || d.isInfinite());
            out.append(finite ? number.toString() : "\"" + number + "\"");
        } else if (value instanceof Map<?, ?> map) {
            writeMap(map, out, depth);
        } else if (value instanceof Iterable<?> many) {
            out.append('[');
            for (Iterator<?> each = many.iterator(); each.hasNext(); ) {
                write(each.next(), out, depth + 1);
                if (each.hasNext()) out.append(',');
            }
            out.append(']');
        } else if (value.getClass().isArray()) {
            List<Object> list = new ArrayList<>();
            for (int index = 0; index < Array.getLength(value); index++) list.add(Array.get(value, index));
            write(list, out, depth);
        } else if (value instanceof Optional<?> optional) {
            write(optional.orElse(null), out, depth);
        } else if (value instanceof CharSequence || value instanceof Character || value instanceof Enum || value.getClass().getName().startsWith("java.")) {
            quote(value.toString(), out);
        } else {
            writeMap(properties(value), out, depth);
        }
    }

    private static void writeMap(Map<?, ?> map, StringBuilder out, int depth) {
        out.append('{');
        String comma = "";
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            out.append(comma);
            quote(String.valueOf(entry.getKey()), out);
            out.append(':');
            write(entry.getValue(), out, depth + 1);
            comma = ",";
        }
        out.append('}');
    }

    private static Map<String, Object> properties(Object value) {
        Map<String, Object> result = new TreeMap<>();
        try {
            if (value.getClass().isRecord()) {
                Map<String, Object> inOrder = new LinkedHashMap<>();
                for (RecordComponent component : value.getClass().getRecordComponents()) {
                    component.getAccessor().setAccessible(true);
                    inOrder.put(component.getName(), component.getAccessor().invoke(value));
                }
                return inOrder;
            }
            for (Field field : value.getClass().getFields()) {
                if (!Modifier.isStatic(field.getModifiers())) result.put(field.getName(), field.get(value));
            }
            for (Method method : value.getClass().getMethods()) {
                String name = method.getName();
                int prefix = name.startsWith("get") ? 3 : name.startsWith("is") && method.getReturnType() == boolean.class ? 2 : 0;
                boolean property = prefix > 0 && name.length() > prefix && method.getParameterCount() == 0
                    && !Modifier.isStatic(method.getModifiers()) && method.getDeclaringClass() != Object.class;
                if (property) {
                    method.setAccessible(true);
                    result.put(Character.toLowerCase(name.charAt(prefix)) + name.substring(prefix + 1), method.invoke(value));
                }
            }
        } catch (IllegalAccessException | InvocationTargetException error) {
            throw new IllegalArgumentException("An error occurred during JSON serialization of response", error);
        }
        return result;
    }

    private static void quote(String text, StringBuilder out) {
        out.append('"');
        for (int index = 0; index < text.length(); index++) {
            char one = text.charAt(index);
            switch (one) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                default -> {
                    if (one < 0x20) out.append(String.format("\\u%04x", (int) one));
                    else out.append(one);
                }
            }
        }
        out.append('"');
    }
}
