# frozen_string_literal: true

# Errors as AWS's Ruby runtime names and shows them.

module Lamella
  # An exception as it is posted and logged. `origin` is Function or Init.
  class Failure
    OWN = "#{__dir__}/"
    MOST_LINES = 100
    # Only these are named to the service itself; others are the user's own business.
    NAMED = %w[
      ArgumentError NoMethodError Exception StandardError NameError LoadError SystemExit
      SystemStackError
    ].freeze

    def initialize(error, origin)
      @type = "#{origin}<#{error.class}>"
      @message = readable(error.message)
      @named = NAMED.include?(error.class.to_s)
      @trace = trace(error)
    end

    attr_reader :type, :message

    def to_h
      { errorMessage: @message, errorType: @type, stackTrace: @trace }
    end

    def header
      @named ? @type : 'Function<UserException>'
    end

    private

    # The user's own lines: those of this client say nothing about the function.
    def trace(error)
      lines = error.backtrace || []
      lines.reject { |line| line.start_with?(OWN) }.first(MOST_LINES).map { |line| readable(line) }
    end

    # JSON takes UTF-8 alone, and a message may hold any bytes.
    def readable(text)
      text = text.to_s
      return text.b.force_encoding(Encoding::UTF_8).scrub if text.encoding == Encoding::BINARY

      text.encode(Encoding::UTF_8, invalid: :replace, undef: :replace).scrub
    end
  end

  # The handler raised, and the runtime goes on.
  class Raised < RuntimeError
    attr_reader :failure

    def initialize(error)
      @failure = Failure.new(error, 'Function')
      super(@failure.message)
    end
  end

  # The handler raised what ends the runtime.
  class Fatal < Raised; end
end
