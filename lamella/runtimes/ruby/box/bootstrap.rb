# frozen_string_literal: true

# Runs a Ruby function: loads its handler, then answers one invocation after the other.

# The gems that come with Ruby itself are found too, after the function's and the layers':
# newer Rubies have taken libraries that are needed here out of their standard library.
bundled = File.join(RbConfig::CONFIG['rubylibprefix'], 'gems', RbConfig::CONFIG['ruby_version'])
Gem.use_paths(Gem.dir, [*Gem.path, bundled]) if defined?(Gem) && File.directory?(bundled)

require 'json'
require 'logger'
require_relative 'client'
require_relative 'context'
require_relative 'errors'
require_relative 'handler'
require_relative 'logs'
require_relative 'waiting'

module Lamella
  # The life of one runtime process. Exit statuses are those of AWS's own client.
  class Runner
    def initialize(environ)
      @client = Client.new(environ.fetch('AWS_LAMBDA_RUNTIME_API'))
      @root = environ.fetch('LAMBDA_TASK_ROOT', '/var/task')
      @name = environ.fetch('_HANDLER', '')
    end

    def run
      $LOAD_PATH.unshift(@root) unless $LOAD_PATH.first == @root
      handler = load_handler
      invocation = @client.next
      loop { invocation = serve(handler, invocation) }
    rescue Client::Gone
      # The server is gone, and with it whoever could read a complaint.
      exit!(1)
    end

    private

    def load_handler
      handler = LambdaHandler.new(env_handler: @name)
      require handler.handler_file_name
      handler
    rescue Exception => e # rubocop:disable Lint/RescueException: SyntaxError, exit and all
      failure = Failure.new(e, 'Init')
      Logs.failure("Init error when loading handler #{@name}", failure)
      @client.fail_init(failure)
      exit(-4)
    end

    # Answer one invocation and ask for the next.
    def serve(handler, invocation)
      Logs.request_id = invocation.request_id
      trace = invocation['Lambda-Runtime-Trace-Id']
      trace ? ENV['_X_AMZN_TRACE_ID'] = trace : ENV.delete('_X_AMZN_TRACE_ID')
      body, type = handler.call(invocation)
      @client.respond(invocation.request_id, body, type)
    rescue Fatal => e
      Logs.failure('Critical exception from handler', e.failure)
      @client.fail_last(invocation.request_id, e.failure)
      exit(-1)
    rescue Raised => e
      Logs.failure('Error raised from handler method', e.failure)
      @client.fail(invocation.request_id, e.failure)
    end
  end
end

# An idle runtime that is told to end has nothing to say; its at_exit blocks run.
trap('TERM') { exit(0) }
$stdout.sync = true
$stderr.sync = true
Lamella::Waiting.become_function if Lamella::Waiting.told?
Lamella::Logs.install
Lamella::Runner.new(ENV).run
