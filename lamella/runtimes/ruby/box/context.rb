# frozen_string_literal: true

require 'json'

# What a handler is given as `context:`.
# Source: https://docs.aws.amazon.com/lambda/latest/dg/ruby-context.html
class LambdaContext
  attr_reader :aws_request_id, :invoked_function_arn, :function_name, :function_version,
              :memory_limit_in_mb, :log_group_name, :log_stream_name, :deadline_ms,
              :identity, :client_context

  def initialize(invocation)
    @aws_request_id = invocation['Lambda-Runtime-Aws-Request-Id']
    @invoked_function_arn = invocation['Lambda-Runtime-Invoked-Function-Arn']
    @deadline_ms = invocation['Lambda-Runtime-Deadline-Ms'].to_i
    @identity = parsed(invocation['Lambda-Runtime-Cognito-Identity'])
    @client_context = parsed(invocation['Lambda-Runtime-Client-Context'])
    @function_name = ENV['AWS_LAMBDA_FUNCTION_NAME']
    @function_version = ENV['AWS_LAMBDA_FUNCTION_VERSION']
    @memory_limit_in_mb = ENV['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
    @log_group_name = ENV['AWS_LAMBDA_LOG_GROUP_NAME']
    @log_stream_name = ENV['AWS_LAMBDA_LOG_STREAM_NAME']
  end

  def get_remaining_time_in_millis
    [@deadline_ms - Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond), 0].max
  end

  private

  def parsed(header)
    JSON.parse(header) unless header.nil? || header.empty?
  end
end
