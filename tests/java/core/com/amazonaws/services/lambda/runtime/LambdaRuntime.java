package com.amazonaws.services.lambda.runtime;

public final class LambdaRuntime {
    private static volatile LambdaLogger logger;

    public static LambdaLogger getLogger() {
        return logger;
    }
}
