# frozen_string_literal: true

# The Runtime API over one kept connection.
#
# An answer and the question for the next invocation leave in one write, because the question
# follows at once in any case.

require 'json'
require 'socket'

module Lamella
  # What came with one answer of the Runtime API. Headers are asked for in any case, as of Net::HTTP.
  class Answer
    attr_reader :status, :body

    def initialize(status, headers, body)
      @status = status
      @headers = headers
      @body = body
    end

    def [](name)
      @headers[name.downcase]
    end

    def request_id
      self['Lambda-Runtime-Aws-Request-Id']
    end
  end

  # The runtime's side of the Runtime API.
  class Client
    # The connection ended, or what came over it is no HTTP.
    class Gone < RuntimeError; end

    PREFIX = '/2018-06-01/runtime/'
    HEAD_END = "\r\n\r\n".b.freeze
    PIECE = 1 << 16

    def initialize(address)
      host, _, port = address.rpartition(':')
      @common = "HTTP/1.1\r\nHost: #{address}\r\nUser-Agent: aws-lambda-ruby/#{RUBY_VERSION}-lamella\r\n"
      @question = "GET #{PREFIX}invocation/next #{@common}\r\n"
      @rest = String.new(encoding: Encoding::BINARY)
      @socket = TCPSocket.new(host, port.to_i)
      @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
    rescue SystemCallError
      raise Gone
    end

    # Ask for the first invocation.
    def next
      send(@question)
      invocation
    end

    # Answer, and the next invocation.
    def respond(id, body, type)
      send(post("invocation/#{id}/response", type, body), @question)
      receive
      invocation
    end

    # Answer with an error, and the next invocation.
    def fail(id, failure)
      send(error("invocation/#{id}/error", failure), @question)
      receive
      invocation
    end

    # Answer with an error that is this process's last; returns when it has arrived.
    def fail_last(id, failure)
      send(error("invocation/#{id}/error", failure))
      receive
    end

    def fail_init(failure)
      send(error('init/error', failure))
      receive
    end

    private

    def send(*parts)
      @socket.write(*parts)
    rescue SystemCallError, IOError
      raise Gone
    end

    def error(path, failure)
      type = "Lambda-Runtime-Function-Error-Type: #{failure.header}\r\n"
      post(path, 'application/json', JSON.generate(failure.to_h), type)
    end

    def post(path, type, body, more = '')
      head = "POST #{PREFIX}#{path} #{@common}Content-Type: #{type}\r\n#{more}" \
             "Content-Length: #{body.bytesize}\r\n\r\n"
      head.b << body.b
    end

    def invocation
      answer = receive
      raise Gone unless answer.status == 200

      answer
    end

    def receive
      @rest << piece until (stop = @rest.index(HEAD_END))
      status, headers = read_head(@rest.byteslice(0, stop))
      size = headers.fetch('content-length', '0').to_i
      body = @rest.byteslice(stop + 4, size)
      @rest = @rest.byteslice((stop + 4 + size)..-1) || String.new(encoding: Encoding::BINARY)
      body << piece([size - body.bytesize, PIECE].min) while body.bytesize < size
      Answer.new(status, headers, body.force_encoding(Encoding::UTF_8))
    end

    def read_head(text)
      lines = text.force_encoding(Encoding::UTF_8).split("\r\n")
      headers = lines.drop(1).to_h do |line|
        name, value = line.split(':', 2)
        [name.downcase, value.to_s.strip]
      end
      [lines.first.byteslice(9, 3).to_i, headers]
    end

    def piece(most = PIECE)
      @socket.readpartial(most)
    rescue SystemCallError, IOError
      raise Gone
    end
  end
end
