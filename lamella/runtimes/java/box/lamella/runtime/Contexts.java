package lamella.runtime;

import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a handler is given as its context: objects of the interfaces of aws-lambda-java-core, which a
 * function or a layer brings. Source: https://docs.aws.amazon.com/lambda/latest/dg/java-context.html
 */
final class Contexts {
    static final String PACKAGE = "com.amazonaws.services.lambda.runtime.";

    private final Logs logs;
    private final Map<String, String> environ;
    /** Says whether the function logs by log4j's appender for Lambda; null where that is absent. */
    private Method logsByLog4j;

    private ClassLoader loader;

    Contexts(Logs logs, Map<String, String> environ) {
        this.logs = logs;
        this.environ = environ;
    }

    /** Answers by the name of the method; what it does not know is null, 0 or false. */
    private static class Answers implements InvocationHandler {
        final Map<String, Object> known = new HashMap<String, Object>();

        @Override
        public Object invoke(Object proxy, Method method, Object[] arguments) throws Throwable {
            String name = method.getName();
            if (method.getDeclaringClass() == Object.class) {
                return ofObject(proxy, name, arguments);
            }
            Object value = answer(name, arguments == null ? new Object[0] : arguments);
            Class<?> wanted = method.getReturnType();
            if (value instanceof Answers) {
                return proxy(wanted, (Answers) value);
            }
            return value == null && wanted.isPrimitive() && wanted != void.class
                    ? Array.get(Array.newInstance(wanted, 1), 0)
                    : value;
        }

        Object answer(String name, Object[] arguments) {
            return known.get(name);
        }

        private Object ofObject(Object proxy, String name, Object[] arguments) {
            if (name.equals("equals")) {
                return proxy == arguments[0];
            }
            return name.equals("hashCode")
                    ? (Object) System.identityHashCode(proxy)
                    : proxy.getClass().getInterfaces()[0].getSimpleName() + known.keySet();
        }
    }

    private static Object proxy(Class<?> type, Answers answers) {
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, answers);
    }

    private static final class LoggerAnswers extends Answers {
        private final Logs logs;

        LoggerAnswers(Logs logs) {
            this.logs = logs;
        }

        @Override
        Object answer(String name, Object[] arguments) {
            if (name.equals("log")) {
                Object level = arguments.length > 1 ? arguments[1] : null;
                String levelName = level == null ? Logs.UNDEFINED : ((Enum<?>) level).name();
                if (arguments[0] instanceof byte[]) {
                    logs.log((byte[]) arguments[0], levelName);
                } else {
                    logs.log((String) arguments[0], levelName);
                }
            }
            return null;
        }
    }

    private static final class ContextAnswers extends Answers {
        private final long deadline;

        ContextAnswers(long deadline) {
            this.deadline = deadline;
        }

        @Override
        Object answer(String name, Object[] arguments) {
            if (name.equals("getRemainingTimeInMillis")) {
                return (int) Math.max(0, Math.min(Integer.MAX_VALUE, deadline - System.currentTimeMillis()));
            }
            return super.answer(name, arguments);
        }
    }

    /** The context of an invocation, of the interface that a handler's method takes. */
    Object of(Class<?> type, Invocation invocation) throws java.io.IOException {
        String deadline = invocation.header("lambda-runtime-deadline-ms");
        Answers answers = new ContextAnswers(deadline == null ? 0 : Long.parseLong(deadline));
        Map<String, Object> known = answers.known;
        known.put("getAwsRequestId", invocation.requestId());
        known.put("getInvokedFunctionArn", invocation.header("lambda-runtime-invoked-function-arn"));
        known.put("getXrayTraceId", invocation.header("lambda-runtime-trace-id"));
        known.put("getTenantId", invocation.header("lambda-runtime-aws-tenant-id"));
        known.put("getFunctionName", environ.get("AWS_LAMBDA_FUNCTION_NAME"));
        known.put("getFunctionVersion", environ.get("AWS_LAMBDA_FUNCTION_VERSION"));
        known.put("getLogGroupName", environ.get("AWS_LAMBDA_LOG_GROUP_NAME"));
        known.put("getLogStreamName", environ.get("AWS_LAMBDA_LOG_STREAM_NAME"));
        String memory = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
        known.put("getMemoryLimitInMB", memory == null ? 0 : Integer.parseInt(memory));
        known.put("getLogger", new LoggerAnswers(logs));
        known.put("getIdentity", identity(invocation.header("lambda-runtime-cognito-identity")));
        known.put("getClientContext", client(invocation.header("lambda-runtime-client-context")));
        return proxy(type, answers);
    }

    private static Answers identity(String header) throws java.io.IOException {
        Map<?, ?> given = members(header);
        if (given == null) {
            return null;
        }
        Answers answers = new Answers();
        answers.known.put("getIdentityId", text(given, "cognitoIdentityId", "identityId"));
        answers.known.put("getIdentityPoolId", text(given, "cognitoIdentityPoolId", "poolId"));
        return answers;
    }

    private static Answers client(String header) throws java.io.IOException {
        Map<?, ?> given = members(header);
        if (given == null) {
            return null;
        }
        Answers answers = new Answers();
        answers.known.put("getCustom", texts(given.get("custom")));
        answers.known.put("getEnvironment", texts(given.get("env")));
        if (given.get("client") instanceof Map) {
            Map<?, ?> client = (Map<?, ?>) given.get("client");
            Answers of = new Answers();
            of.known.put("getInstallationId", text(client, "installation_id", "installationId"));
            of.known.put("getAppTitle", text(client, "app_title", "appTitle"));
            of.known.put("getAppVersionName", text(client, "app_version_name", "appVersionName"));
            of.known.put("getAppVersionCode", text(client, "app_version_code", "appVersionCode"));
            of.known.put("getAppPackageName", text(client, "app_package_name", "appPackageName"));
            answers.known.put("getClient", of);
        }
        return answers;
    }

    private static Map<?, ?> members(String header) throws java.io.IOException {
        Object tree = header == null ? null : Json.read(header);
        return tree instanceof Map ? (Map<?, ?>) tree : null;
    }

    private static String text(Map<?, ?> members, String name, String other) {
        Object value = members.containsKey(name) ? members.get(name) : members.get(other);
        return value == null ? null : value.toString();
    }

    private static Map<String, String> texts(Object tree) {
        if (!(tree instanceof Map)) {
            return null;
        }
        Map<String, String> found = new LinkedHashMap<String, String>();
        for (Map.Entry<?, ?> each : ((Map<?, ?>) tree).entrySet()) {
            found.put((String) each.getKey(), each.getValue() == null ? null : each.getValue().toString());
        }
        return Collections.unmodifiableMap(found);
    }

    /** Have `LambdaRuntime.getLogger()` of the function's own aws-lambda-java-core log here. */
    void install(ClassLoader functions) {
        loader = functions;
        try {
            Field logger = Class.forName(PACKAGE + "LambdaRuntime", true, loader).getDeclaredField("logger");
            logger.setAccessible(true);
            logger.set(null, proxy(logger.getType(), new LoggerAnswers(logs)));
            Class<?> internal = Class.forName(PACKAGE + "LambdaRuntimeInternal", true, loader);
            logsByLog4j = internal.getMethod("getUseLog4jAppender");
        } catch (ReflectiveOperationException | LinkageError absent) {
            // Then nobody asks it for a logger.
            return;
        }
    }

    /** Let log4j's patterns know the request as `%X{AWSRequestId}`, as AWS's runtime does. */
    void begin(String requestId) {
        logs.requestId = requestId;
        try {
            if (logsByLog4j != null && (Boolean) logsByLog4j.invoke(null)) {
                Class.forName("org.apache.logging.log4j.ThreadContext", true, loader)
                        .getMethod("put", String.class, String.class)
                        .invoke(null, "AWSRequestId", requestId);
            }
        } catch (ReflectiveOperationException | LinkageError absent) {
            logsByLog4j = null;
        }
    }
}
