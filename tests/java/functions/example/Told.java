package example;

import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import com.amazonaws.services.lambda.runtime.LambdaRuntimeInternal;
import com.amazonaws.services.lambda.runtime.events.SQSEvent;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.logging.log4j.ThreadContext;

/** What a handler is told, and what it says. */
public class Told {
    public Map<String, Object> context(Object input, Context context) {
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("id", context.getAwsRequestId());
        told.put("arn", context.getInvokedFunctionArn());
        told.put("name", context.getFunctionName());
        told.put("version", context.getFunctionVersion());
        told.put("memory", context.getMemoryLimitInMB());
        told.put("group", context.getLogGroupName());
        told.put("stream", context.getLogStreamName());
        int left = context.getRemainingTimeInMillis();
        told.put("left", left > 1000 && left <= 10_000);
        told.put("trace", System.getProperty("com.amazonaws.xray.traceHeader"));
        told.put("tenant", String.valueOf(context.getTenantId()));
        told.put("same", context.equals(context) && context.hashCode() != 0);
        CognitoIdentity identity = context.getIdentity();
        if (identity != null) {
            told.put("identity", identity.getIdentityId() + " " + identity.getIdentityPoolId());
        }
        ClientContext client = context.getClientContext();
        if (client != null) {
            told.put("app", client.getClient().getAppTitle());
            told.put("custom", client.getCustom());
            told.put("env", client.getEnvironment());
        }
        return told;
    }

    public void says(String input, Context context) {
        LambdaLogger logger = context.getLogger();
        System.out.println("printed ä🧀");
        System.err.print("printed too\n");
        logger.log("plain\nof two lines");
        logger.log("bytes".getBytes(StandardCharsets.UTF_8));
        logger.log("hidden", LogLevel.DEBUG);
        logger.log("a \"warning\"", LogLevel.WARN);
        LambdaRuntime.getLogger().log("of the runtime\n");
    }

    public String log4j(String input) {
        LambdaRuntimeInternal.setUseLog4jAppender(true);
        return ThreadContext.get("AWSRequestId");
    }

    public String queue(SQSEvent event) {
        SQSEvent.SQSMessage first = event.getRecords().get(0);
        return first.getBody() + " " + first.getEventSourceArn() + " " + first.getSent().getTime();
    }
}
