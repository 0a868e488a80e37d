require 'logger'

init = ENV['INIT']
if %w[sleep once].include?(init) && !File.exist?('/tmp/begun')
  File.write('/tmp/begun', '')
  init == 'once' ? init = 'raise' : sleep(60)
end
raise ArgumentError, 'not ready' if init == 'raise'
exit!(3) if init == 'exit'

trap('TERM') do
  $stdout.syswrite("told to end\n")
  exit!(0)
end
LOG = Logger.new($stdout)
$count = 0

def context_of(context)
  members = %i[identity client_context deadline_ms]
  {
    missing: members.reject { |name| context.respond_to?(name) },
    id: context.aws_request_id,
    name: context.function_name,
    version: context.function_version,
    arn: context.invoked_function_arn,
    memory: context.memory_limit_in_mb,
    group: context.log_group_name,
    stream: context.log_stream_name,
    left: context.get_remaining_time_in_millis,
    client: context.client_context && context.client_context['custom']
  }
end

def chained(message)
  raise ArgumentError, 'the cause'
rescue ArgumentError
  raise message
end

def recurse(depth)
  recurse(depth + 1) + 1
end

def handler(event:, context:)
  value = event['value']
  case event['do']
  when 'echo' then value
  when 'size' then value.size
  when 'large' then 'x' * value
  when 'context' then context_of(context)
  when 'raise' then raise ArgumentError, value
  when 'chain' then chained(value)
  when 'exit' then exit!(value)
  when 'crash'
    Process.kill('KILL', Process.pid)
    sleep 10
  when 'memory'
    held = []
    loop { held << 'x' * 10_000_000 }
  when 'sleep'
    sleep value
    nil
  when 'env' then ENV.to_h
  when 'sh' then IO.popen(['/bin/sh', '-c', value], err: %i[child out], &:read)
  when 'print'
    $stdout.puts 'to the output'
    $stderr.puts 'to the error'
    $stdout.puts "two\nlines"
    nil
  when 'log'
    LOG.warn('a record')
    LOG.debug('a hidden record')
    nil
  when 'count' then $count += 1
  when 'later'
    Thread.new do
      sleep 0.05
      File.write('/tmp/later', '')
    end
    nil
  when 'recurse' then recurse(0)
  when 'trace' then ENV['_X_AMZN_TRACE_ID']
  when 'layer'
    require 'shared'
    require 'own'
    [SHARED, OWN]
  when 'unanswerable' then "\xff\xfe".b
  end
end
