/* A custom runtime: the Runtime API over a socket, as any compiled language speaks it. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define API "/2018-06-01/runtime/"

extern char **environ;

static char *head, *body;
static size_t body_size;
static int line = -1;
static char id[64];

struct text { char *bytes; size_t size, room; };

static void add(struct text *to, const char *bytes, size_t size) {
  if (to->size + size + 1 > to->room) {
    to->room = (to->size + size + 1) * 2;
    to->bytes = realloc(to->bytes, to->room);
  }
  memcpy(to->bytes + to->size, bytes, size);
  to->bytes[to->size += size] = 0;
}

static void say(struct text *to, const char *format, ...) {
  char part[4096];
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(part, sizeof part, format, arguments);
  va_end(arguments);
  add(to, part, (size_t)size < sizeof part ? (size_t)size : sizeof part - 1);
}

static void quote(struct text *to, const char *from) {
  add(to, "\"", 1);
  for (; *from; from++) {
    if (*from == '"' || *from == '\\') say(to, "\\%c", *from);
    else if (*from == '\n') say(to, "\\n");
    else add(to, from, 1);
  }
  add(to, "\"", 1);
}

static void dial(void) {
  char host[64];
  struct sockaddr_in address = {.sin_family = AF_INET};
  snprintf(host, sizeof host, "%s", getenv("AWS_LAMBDA_RUNTIME_API"));
  char *colon = strchr(host, ':');
  *colon = 0;
  address.sin_port = htons((unsigned short)atoi(colon + 1));
  inet_pton(AF_INET, host, &address.sin_addr);
  line = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(line, (struct sockaddr *)&address, sizeof address)) exit(1);
}

static void send_all(const char *bytes, size_t size) {
  while (size) {
    ssize_t sent = write(line, bytes, size);
    if (sent <= 0) exit(1);
    bytes += sent, size -= (size_t)sent;
  }
}

/* The value of a header of the last answer; empty if it is not there. */
static const char *header(const char *name) {
  static char value[8192];
  size_t length = strlen(name);
  value[0] = 0;
  for (char *at = head; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : at)
    if (!strncasecmp(at, name, length) && at[length] == ':') {
      at += length + 1 + strspn(at + length + 1, " ");
      snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r\n"), at);
      break;
    }
  return value;
}

static void receive(void) {
  struct text got = {0};
  char part[65536], *end = NULL;
  while (!end) {
    ssize_t size = read(line, part, sizeof part);
    if (size <= 0) exit(1);
    add(&got, part, (size_t)size);
    end = strstr(got.bytes, "\r\n\r\n");
  }
  free(head), free(body);
  head = strndup(got.bytes, (size_t)(end - got.bytes));
  body_size = (size_t)atol(header("Content-Length"));
  struct text rest = {0};
  add(&rest, end + 4, got.size - (size_t)(end + 4 - got.bytes));
  free(got.bytes);
  while (rest.size < body_size) {
    ssize_t size = read(line, part, sizeof part);
    if (size <= 0) exit(1);
    add(&rest, part, (size_t)size);
  }
  body = rest.bytes;
}

static void call(const char *method, const char *path, const char *more, const char *bytes, size_t size) {
  struct text request = {0};
  say(&request, "%s %s%s HTTP/1.1\r\nHost: runtime\r\n%sContent-Length: %zu\r\n\r\n", method, API, path, more, size);
  add(&request, bytes, size);
  send_all(request.bytes, request.size);
  free(request.bytes);
  receive();
}

static void answer(struct text *with) {
  char path[128];
  snprintf(path, sizeof path, "invocation/%s/response", id);
  call("POST", path, "", with->bytes ? with->bytes : "null", with->bytes ? with->size : 4);
  free(with->bytes);
}

static void fail(const char *path, const char *type, const char *message) {
  struct text said = {0}, more = {0};
  say(&said, "{\"errorType\":\"%s\",\"errorMessage\":%s}", type, message);
  say(&more, "Lambda-Runtime-Function-Error-Type: %s\r\n", type);
  call("POST", path, more.bytes, said.bytes, said.size);
  free(said.bytes), free(more.bytes);
}

static void stream(void) {
  struct text said = {0};
  say(&said, "POST %sinvocation/%s/response HTTP/1.1\r\nHost: runtime\r\nContent-Type: text/plain\r\n", API, id);
  say(&said, "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\r\n");
  say(&said, "4\r\none,\r\n4\r\ntwo,\r\n5\r\nthree\r\n0\r\n\r\n");
  send_all(said.bytes, said.size);
  free(said.bytes);
  receive();
}

static void context(struct text *to) {
  struct timeval now;
  gettimeofday(&now, NULL);
  long long left = atoll(header("Lambda-Runtime-Deadline-Ms")) - now.tv_sec * 1000LL - now.tv_usec / 1000;
  say(to, "{\"missing\":[],\"id\":\"%s\",\"left\":%lld,\"arn\":\"%s\"", id, left, header("Lambda-Runtime-Invoked-Function-Arn"));
  const char *named[][2] = {{"name", "NAME"}, {"version", "VERSION"}, {"memory", "MEMORY_SIZE"}};
  for (int i = 0; i < 3; i++) {
    char variable[64];
    snprintf(variable, sizeof variable, "AWS_LAMBDA_FUNCTION_%s", named[i][1]);
    say(to, ",\"%s\":\"%s\"", named[i][0], getenv(variable));
  }
  say(to, ",\"group\":\"%s\",\"stream\":\"%s\"", getenv("AWS_LAMBDA_LOG_GROUP_NAME"), getenv("AWS_LAMBDA_LOG_STREAM_NAME"));
  const char *client = header("Lambda-Runtime-Client-Context"), *custom = "{\"custom\": ";
  if (!strncmp(client, custom, strlen(custom)))
    say(to, ",\"client\":%.*s}", (int)(strlen(client) - strlen(custom) - 1), client + strlen(custom));
  else
    say(to, ",\"client\":null}");
}

static void variables(struct text *to) {
  for (char **each = environ; *each; each++) {
    char *equals = strchr(*each, '=');
    say(to, "%c\"%.*s\":", each == environ ? '{' : ',', (int)(equals - *each), *each);
    quote(to, equals + 1);
  }
  say(to, "}");
}

/* What a JSON string of the test says: it holds no escapes but these. */
static char *unquoted(char *value) {
  char *to = value;
  for (char *from = value + 1; *from && *from != '"'; from++, to++) {
    if (*from == '\\') from++, *to = *from == 'n' ? '\n' : *from;
    else *to = *from;
  }
  *to = 0;
  return value;
}

static void shell(struct text *to, const char *command) {
  struct text said = {0};
  char part[4096];
  FILE *output = popen(command, "r");
  for (size_t size; (size = fread(part, 1, sizeof part, output)) > 0;) add(&said, part, size);
  pclose(output);
  quote(to, said.bytes ? said.bytes : "");
}

static void write_later(void) {
  if (fork() == 0) {
    usleep(50000);
    close(open("/tmp/later", O_CREAT | O_WRONLY, 0644));
    _exit(0);
  }
}

static void from_layer(struct text *to) {
  char *said[2] = {NULL, NULL};
  const char *commands[2] = {"cat /opt/shared.txt", "own"};
  struct text each[2] = {{0}, {0}};
  for (int i = 0; i < 2; i++) {
    shell(&each[i], commands[i]);
    said[i] = strstr(each[i].bytes, "\\n");
    if (said[i]) strcpy(said[i], "\"");
  }
  say(to, "[%s,%s]", each[0].bytes, each[1].bytes);
}

static void act(const char *what, char *value) {
  static int count;
  struct text said = {0};
  char path[128];
  if (!strcmp(what, "echo")) say(&said, "%s", ""), add(&said, value, strlen(value));
  else if (!strcmp(what, "size")) say(&said, "%zu", strlen(value) - 2);
  else if (!strcmp(what, "large")) {
    size_t size = (size_t)atol(value);
    char *many = malloc(size);
    memset(many, 'x', size);
    add(&said, "\"", 1), add(&said, many, size), add(&said, "\"", 1);
    free(many);
  }
  else if (!strcmp(what, "context")) context(&said);
  else if (!strcmp(what, "raise")) {
    snprintf(path, sizeof path, "invocation/%s/error", id);
    fail(path, "Custom.Error", value);
    return;
  }
  else if (!strcmp(what, "exit")) exit(atoi(value));
  else if (!strcmp(what, "crash")) raise(SIGKILL);
  else if (!strcmp(what, "memory")) for (;;) memset(malloc(10000000), 1, 10000000);
  else if (!strcmp(what, "sleep")) usleep((useconds_t)(atof(value) * 1e6));
  else if (!strcmp(what, "env")) variables(&said);
  else if (!strcmp(what, "sh")) shell(&said, unquoted(value));
  else if (!strcmp(what, "print")) {
    printf("to the output\ntwo\nlines\n");
    fflush(stdout);
    fprintf(stderr, "to the error\n");
  }
  else if (!strcmp(what, "count")) say(&said, "%d", ++count);
  else if (!strcmp(what, "later")) write_later();
  else if (!strcmp(what, "trace")) say(&said, "\"%s\"", header("Lambda-Runtime-Trace-Id"));
  else if (!strcmp(what, "layer")) from_layer(&said);
  else if (!strcmp(what, "stream")) {
    stream();
    return;
  }
  answer(&said);
}

static void on_end(int signal) {
  (void)signal;
  if (write(1, "told to end\n", 12) == 12) _exit(0);
}

int main(void) {
  const char *init = getenv("INIT");
  signal(SIGTERM, on_end);
  dial();
  int first = access("/tmp/begun", F_OK);
  close(open("/tmp/begun", O_CREAT | O_WRONLY, 0644));
  if (!init) init = "";
  if (!strcmp(init, "sleep") && first) sleep(60);
  if (!strcmp(init, "exit")) return 3;
  if (!strcmp(init, "raise") || (!strcmp(init, "once") && first)) {
    fail("init/error", "Custom.Init", "\"not ready\"");
    return 1;
  }
  if (getenv("WITHIN") && system("/opt/within true")) return 1;
  for (;;) {
    call("GET", "invocation/next", "", "", 0);
    snprintf(id, sizeof id, "%s", header("Lambda-Runtime-Aws-Request-Id"));
    /* The test writes its events in this very form. */
    char *what = body + strlen("{\"do\": \""), *value = strstr(what, "\", \"value\": ");
    *value = 0, value += strlen("\", \"value\": ");
    value[strlen(value) - 1] = 0;
    act(what, value);
  }
}
