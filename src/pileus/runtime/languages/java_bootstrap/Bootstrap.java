package pileus;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Proxy;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Java functions: from the Runtime API to the handler and back.
 * https://docs.aws.amazon.com/lambda/latest/dg/java-handler.html and …/runtimes-api.html
 *
 * AWS's interfaces (aws-lambda-java-core) are used where the function brings them, through proxies: this class is
 * compiled without them.
 */
public final class Bootstrap {
    private static final String RUNTIME = "/2018-06-01/runtime/";
    private static final String CONTEXT = "com.amazonaws.services.lambda.runtime.Context";
    private static final FileOutputStream STANDARD_OUTPUT = new FileOutputStream(FileDescriptor.out);

    private final RuntimeClient client = new RuntimeClient(System.getenv("AWS_LAMBDA_RUNTIME_API"));
    private Map<String, String> headers = Map.of();

    public static void main(String[] arguments) throws Exception {
        new Bootstrap().run(System.getenv("_HANDLER"));
    }

    private void run(String name) throws Exception {
        Handler handler;
        try {
            handler = find(name);
        } catch (Throwable error) {
            Throwable cause = unwrap(error);
            log(trace(cause));
            client.post(RUNTIME + "init/error", describe(cause), cause.getClass().getName());
            System.exit(1);
            return;
        }
        while (true) {
            RuntimeClient.Response next = client.get(RUNTIME + "invocation/next");
            headers = next.headers();
            String id = headers.get("lambda-runtime-aws-request-id");
            String traceId = headers.get("lambda-runtime-trace-id");
            if (traceId != null) System.setProperty("com.amazonaws.xray.traceHeader", traceId);
            String path = RUNTIME + "invocation/" + id;
            byte[] answer;
            try {
                answer = handler.handle(next.body());
            } catch (Throwable error) {
                Throwable cause = unwrap(error);
                log(trace(cause));
                client.post(path + "/error", describe(cause), cause.getClass().getName());
                if (cause instanceof VirtualMachineError) System.exit(1);
                continue;
            }
            client.post(path + "/response", answer, null);
        }
    }

    private interface Handler {
        byte[] handle(byte[] event) throws Throwable;
    }

    // Finding the handler.

    private Handler find(String name) throws Throwable {
        String[] parts = name.split("::");
        Class<?> type;
        try {
            type = Class.forName(parts[0]);
        } catch (ClassNotFoundException error) {
            throw new ClassNotFoundException("Class not found: " + parts[0]);
        }
        String methodName = parts.length > 1 ? parts[1] : "handleRequest";
        Method method = Arrays.stream(type.getMethods())
            .filter(one -> one.getName().equals(methodName) && !one.isBridge() && !one.isSynthetic())
            .max(Comparator.comparingInt(Method::getParameterCount))
            .orElseThrow(() -> new NoSuchMethodException("No public method named " + methodName + " on class " + type.getName()));
        method.setAccessible(true);
        Object instance = Modifier.isStatic(method.getModifiers()) ? null : type.getDeclaredConstructor().newInstance();
        Class<?>[] classes = method.getParameterTypes();
        boolean takesContext = classes.length > 0 && classes[classes.length - 1].getName().equals(CONTEXT);
        int own = classes.length - (takesContext ? 1 : 0);
        Class<?> contextType = takesContext ? classes[classes.length - 1] : null;
        if (own == 2 && InputStream.class.isAssignableFrom(classes[0]) && OutputStream.class.isAssignableFrom(classes[1])) {
            return event -> {
                ByteArrayOutputStream output = new ByteArrayOutputStream();
                call(method, instance, contextType, new ByteArrayInputStream(event), output);
                return output.toByteArray();
            };
        }
        if (own > 1) throw new IllegalArgumentException("The handler " + name + " takes too many parameters");
        Type eventType = own == 1 ? resolve(method.getGenericParameterTypes()[0], type, method) : null;
        boolean silent = method.getReturnType() == void.class;
        return event -> {
            Object result = own == 0
                ? call(method, instance, contextType)
                : call(method, instance, contextType, Json.convert(Json.parse(event), eventType));
            return (silent ? "null" : Json.write(result)).getBytes(StandardCharsets.UTF_8);
        };
    }

    /** What a type variable of RequestHandler<I, O> stands for in the handler's class. */
    private static Type resolve(Type type, Class<?> owner, Method method) {
        if (!(type instanceof TypeVariable<?> variable)) return type;
        for (Class<?> one = owner; one != null; one = one.getSuperclass()) {
            List<Type> parents = new ArrayList<>(List.of(one.getGenericInterfaces()));
            if (one.getGenericSuperclass() != null) parents.add(one.getGenericSuperclass());
            for (Type parent : parents) {
                if (parent instanceof ParameterizedType bound && bound.getRawType() == variable.getGenericDeclaration()) {
                    int index = List.of(variable.getGenericDeclaration().getTypeParameters()).indexOf(variable);
                    return bound.getActualTypeArguments()[index];
                }
            }
        }
        return Object.class;
    }

    private Object call(Method method, Object instance, Class<?> contextType, Object... arguments) throws Throwable {
        if (contextType != null) {
            arguments = Arrays.copyOf(arguments, arguments.length + 1);
            arguments[arguments.length - 1] = context(contextType);
        }
        return method.invoke(instance, arguments);
    }

    private static Throwable unwrap(Throwable error) {
        while ((error instanceof InvocationTargetException || error instanceof ExceptionInInitializerError) && error.getCause() != null) {
            error = error.getCause();
        }
        return error;
    }

    // The context.

    private Object context(Class<?> type) {
        long deadline = Long.parseLong(headers.get("lambda-runtime-deadline-ms"));
        Map<String, String> now = headers;
        return proxy(type, (name, arguments, result) -> switch (name) {
            case "getAwsRequestId" -> now.get("lambda-runtime-aws-request-id");
            case "getInvokedFunctionArn" -> now.get("lambda-runtime-invoked-function-arn");
            case "getFunctionName" -> System.getenv("AWS_LAMBDA_FUNCTION_NAME");
            case "getFunctionVersion" -> System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
            case "getLogGroupName" -> System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
            case "getLogStreamName" -> System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
            case "getMemoryLimitInMB" -> Integer.parseInt(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
            case "getRemainingTimeInMillis" -> (int) (deadline - System.currentTimeMillis());
            case "getIdentity" -> identity(result, now.get("lambda-runtime-cognito-identity"));
            case "getClientContext" -> clientContext(result, now.get("lambda-runtime-client-context"));
            case "getLogger" -> proxy(result, (method, values, ignored) -> {
                if (method.equals("log")) log(values[0] instanceof byte[] bytes ? bytes : String.valueOf(values[0]).getBytes(StandardCharsets.UTF_8));
                return null;
            });
            default -> null;
        });
    }

    private static Object identity(Class<?> type, String text) {
        if (text == null) return null;
        Map<?, ?> values = (Map<?, ?>) Json.parse(text.getBytes(StandardCharsets.UTF_8));
        return proxy(type, (name, arguments, result) -> switch (name) {
            case "getIdentityId" -> values.get("cognitoIdentityId");
            case "getIdentityPoolId" -> values.get("cognitoIdentityPoolId");
            default -> null;
        });
    }

    private static Object clientContext(Class<?> type, String text) {
        if (text == null) return null;
        Map<?, ?> values = (Map<?, ?>) Json.parse(text.getBytes(StandardCharsets.UTF_8));
        return proxy(type, (name, arguments, result) -> switch (name) {
            case "getCustom" -> values.get("custom");
            case "getEnvironment" -> values.get("env");
            case "getClient" -> {
                Map<?, ?> client = values.get("client") instanceof Map<?, ?> map ? map : Map.of();
                yield proxy(result, (method, none, ignored) -> switch (method) {
                    case "getInstallationId" -> client.get("installation_id");
                    case "getAppTitle" -> client.get("app_title");
                    case "getAppVersionName" -> client.get("app_version_name");
                    case "getAppVersionCode" -> client.get("app_version_code");
                    case "getAppPackageName" -> client.get("app_package_name");
                    default -> null;
                });
            }
            default -> null;
        });
    }

    private interface Answers {
        Object get(String method, Object[] arguments, Class<?> result);
    }

    private static Object proxy(Class<?> type, Answers answers) {
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (self, method, arguments) -> switch (method.getName()) {
            case "toString" -> type.getSimpleName();
            case "hashCode" -> System.identityHashCode(self);
            case "equals" -> self == arguments[0];
            default -> answers.get(method.getName(), arguments, method.getReturnType());
        });
    }

    // Errors and the log.

    private static byte[] describe(Throwable error) {
        return Json.write(document(error, 0)).getBytes(StandardCharsets.UTF_8);
    }

    private static Map<String, Object> document(Throwable error, int depth) {
        Map<String, Object> document = new LinkedHashMap<>();
        if (error.getMessage() != null) document.put("errorMessage", error.getMessage());
        document.put("errorType", error.getClass().getName());
        List<String> trace = new ArrayList<>();
        for (StackTraceElement element : error.getStackTrace()) {
            // From the handler up: what called it is ours.
            if (element.getClassName().startsWith("jdk.internal.reflect.") || element.getClassName().startsWith("pileus.")) break;
            trace.add(element.toString());
        }
        document.put("stackTrace", trace);
        if (error.getCause() != null && depth < 10) document.put("cause", document(error.getCause(), depth + 1));
        return document;
    }

    private static byte[] trace(Throwable error) {
        StringWriter text = new StringWriter();
        text.append(error.getMessage() + ": " + error.getClass().getName() + "\n");
        error.printStackTrace(new PrintWriter(text, true));
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    /** One frame a record, so that its lines stay together. */
    private static void log(byte[] message) {
        ByteBuffer frame = ByteBuffer.allocate(16 + message.length);
        frame.putInt(0xa55a0003).putInt(message.length).putLong(System.currentTimeMillis() * 1000).put(message);
        try {
            STANDARD_OUTPUT.write(frame.array());
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }
}
