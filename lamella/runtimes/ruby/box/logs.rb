# frozen_string_literal: true

# The logger in AWS's formats, and how failures are told.

require 'json'
require 'logger'
require 'stringio'

module Lamella
  # Which invocation lines belong to, in which format they are written, and where to.
  module Logs
    # Takes each record as one frame, so that one of several lines stays one.
    class Frames
      TEXT = 0xa55a0003
      JSON = 0xa55a0002

      def initialize(descriptor, type)
        @io = IO.for_fd(descriptor, 'wb', autoclose: false)
        @io.sync = true
        @io.close_on_exec = true
        @type = type
      end

      def write(*parts)
        record = parts.join.b
        micros = Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
        @io.write([@type, record.bytesize, micros].pack('L>L>Q>') << record)
        record.bytesize
      end

      # A Logger that is closed does not take the log from the others.
      def close; end
    end

    class << self
      attr_accessor :request_id
      attr_reader :frames

      def json?
        ENV['AWS_LAMBDA_LOG_FORMAT'].to_s.casecmp?('JSON')
      end

      # Loggers to the standard output or error take AWS's format, and `puts` is one record.
      def install
        @frames = opened(ENV.delete('_LAMBDA_TELEMETRY_LOG_FD').to_s)
        ::Logger.prepend(Patch)
        redefine_puts if @frames
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
          tell(JSON.generate(record.compact))
        else
          tell("#{title}\n#{JSON.pretty_generate(failure.to_h)}")
        end
      end

      def stamp(time)
        time.utc.strftime('%Y-%m-%dT%H:%M:%S.%6NZ')
      end

      private

      # Line feeds within a record on the standard output are carriage returns.
      def tell(text)
        @frames ? @frames.write(text, "\n") : $stdout.puts(text.tr("\n", "\r"))
      end

      # Unless the function has put something else in the standard output's place.
      def redefine_puts
        ::Kernel.module_eval do
          define_method(:puts) do |*values|
            return $stdout.puts(*values) unless $stdout.equal?(STDOUT)

            text = StringIO.new
            text.puts(*values)
            Logs.frames.write(text.string)
            nil
          end
          module_function :puts
        end
      end

      def opened(descriptor)
        return unless descriptor.match?(/\A\d{1,6}\z/)

        Frames.new(descriptor.to_i, json? ? Frames::JSON : Frames::TEXT)
      rescue SystemCallError
        nil # a wrapper has closed it
      end
    end

    # Makes a Logger that writes to where the runtime writes speak AWS's format.
    module Patch
      def initialize(logdev = nil, *rest, **options)
        ours = logdev.nil? || logdev.equal?($stdout) || logdev.equal?($stderr)
        if ours
          options[:level] ||= Logs.level if Logs.json?
          logdev = Logs.frames || logdev || $stdout
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
