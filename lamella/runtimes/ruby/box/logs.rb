# frozen_string_literal: true

# The logger in AWS's formats, and how failures are told.

require 'json'

module Lamella
  # Which invocation lines belong to, and in which format they are written.
  module Logs
    class << self
      attr_accessor :request_id

      def json?
        ENV['AWS_LAMBDA_LOG_FORMAT'].to_s.casecmp?('JSON')
      end

      # Loggers to the standard output or error take AWS's format when the library is loaded.
      def install
        require 'logger'
        ::Logger.prepend(Patch)
      end

      def level
        name = ENV['AWS_LAMBDA_LOG_LEVEL'].to_s.downcase
        { 'trace' => 'debug', '' => 'debug' }.fetch(name, name)
      end

      # One record for one failure: line feeds within it are carriage returns.
      def failure(title, failure)
        if json?
          record = { timestamp: stamp(Time.now), level: 'ERROR', message: title,
                     requestId: request_id, **failure.to_h }
          $stdout.puts(JSON.generate(record.compact))
        else
          text = "#{title}\n#{JSON.pretty_generate(failure.to_h)}"
          $stdout.puts(text.tr("\n", "\r"))
        end
      end

      def stamp(time)
        time.utc.strftime('%Y-%m-%dT%H:%M:%S.%6NZ')
      end
    end

    # Makes a Logger that writes to where the runtime writes speak AWS's format.
    module Patch
      def initialize(logdev = nil, *rest, **options)
        ours = logdev.nil? || logdev.equal?($stdout) || logdev.equal?($stderr)
        if ours
          options[:level] ||= Logs.level if Logs.json?
          logdev ||= $stdout
        end
        super(logdev, *rest, **options)
        @default_formatter = (Logs.json? ? Json : Text).new if ours
      end
    end
  end
end

require 'logger'

module Lamella
  module Logs
    def self.utf8(value)
      value.to_s.encode(Encoding::UTF_8, invalid: :replace, undef: :replace).scrub
    end

    # Ruby's own line with the request's id in it.
    class Text < ::Logger::Formatter
      def call(severity, time, progname, msg)
        text = format('%<initial>s, [%<time>s #%<process>d] %<severity>5s %<request>s -- %<program>s: %<message>s',
                      initial: severity[0], time: format_datetime(time), process: Process.pid,
                      severity: severity, request: Logs.request_id, program: progname,
                      message: msg2str(msg))
        "#{Logs.utf8(text)}\n"
      end
    end

    # One JSON object a line.
    class Json < ::Logger::Formatter
      def call(severity, time, progname, msg)
        raised = msg.is_a?(Exception)
        record = { timestamp: Logs.stamp(time), level: severity,
                   message: Logs.utf8(raised ? msg.message : msg2str(msg)),
                   requestId: Logs.request_id }
        record[:logger] = Logs.utf8(progname) unless progname.to_s.empty?
        record.update(described(msg)) if raised
        "#{JSON.generate(record.compact)}\n"
      end

      private

      def described(error)
        trace = Array(error.backtrace).map { |line| Logs.utf8(line) }
        { errorType: error.class.to_s, errorMessage: Logs.utf8(error.message),
          stackTrace: trace, location: trace.first }
      end
    end
  end
end
