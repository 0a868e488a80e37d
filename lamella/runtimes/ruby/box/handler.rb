# frozen_string_literal: true

require 'json'
require 'stringio'
require_relative 'context'
require_relative 'errors'

module AwsLambda
  # Between bytes and Ruby. Functions may redefine both methods, under this name, as on AWS.
  class Marshaller
    class << self
      def marshall_request(raw_request)
        return raw_request.body unless raw_request['Content-Type'] == 'application/json'

        JSON.parse(raw_request.body)
      end

      # The response, alone or with its content type: what can be read is sent as it is.
      def marshall_response(method_response)
        case method_response
        when StringIO, IO then [method_response, 'application/unknown']
        else method_response.to_json
        end
      end
    end
  end
end

# The function's handler: `file.method` or `file.Class.method`.
#
# A method without a class is looked up here, as a private method of every object: that is where
# `def` at the top of a file puts it. The name shows in the message about one that is missing.
class LambdaHandler
  attr_reader :handler_file_name, :handler_method_name

  def initialize(env_handler:)
    parts = env_handler.split('.')
    case parts.size
    when 2 then @handler_file_name, @handler_method_name = parts
    when 3 then @handler_file_name, @handler_class, @handler_method_name = parts
    else
      raise ArgumentError,
            "Invalid handler #{parts}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD " \
            'where FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is ' \
            'an optional module/class namespace and METHOD is a callable method. If using CLASS, ' \
            'METHOD must be a class-level method.'
    end
  end

  # The answer to an invocation: its bytes and their content type. Raises Raised and Fatal.
  def call(invocation)
    options = { event: AwsLambda::Marshaller.marshall_request(invocation),
                context: LambdaContext.new(invocation) }
    target = @handler_class ? Kernel.const_get(@handler_class) : self
    serialised(target.__send__(@handler_method_name, **options))
  rescue NameError => e # NoMethodError is one too: AWS ends the runtime after either
    raise Lamella::Fatal, e
  rescue StandardError => e
    raise Lamella::Raised, e
  rescue Exception => e # rubocop:disable Lint/RescueException: exit, no memory, a deep stack
    raise Lamella::Fatal, e
  end

  private

  def serialised(response)
    body, type = AwsLambda::Marshaller.marshall_response(response)
    body = body.read if body.respond_to?(:read)
    [body.to_s, (type || 'application/json').to_s.delete("\r\n")]
  end
end
