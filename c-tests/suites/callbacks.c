/* Callbacks, and what they call. From inside each function of the caller that the library runs, every call on the very
 * objects in use returns an error or works, as the header says. The sanitizer checks addresses, so this suite is most
 * useful with it. */
#include "check.h"

#include "codecs.h"

/* ---- What a callback does, once ---- */

/* The objects that the call around the callback uses. */
typedef struct scene {
  void (*act)(struct scene *self); /* what the callback does the first time it is called */
  immuta_log *log;
  immuta_stream *stream;
  immuta_txn *txn;
  immuta_options *options;
  immuta_codec *codec;
  uint64_t destroyed;
  int calls;
} scene;

static void act_once(scene *self) {
  if (self->calls++ != 0 || self->act == NULL) return;
  immuta_error outer = check_error; /* the call around this one has its own */
  self->act(self);
  check_error = outer;
}

static int32_t pass_through(void *user, const void *data, size_t size, immuta_sink *out) {
  immuta_status status = immuta_sink_write(out, data, size / 2);
  act_once(user);
  if (status == IMMUTA_OK) status = immuta_sink_write(out, (const char *)data + size / 2, size - size / 2);
  return status;
}

static int32_t pass_quietly(void *user, const void *data, size_t size, immuta_sink *out) {
  (void)user;
  return immuta_sink_write(out, data, size);
}

static void destroy(void *user) {
  scene *self = user;
  self->destroyed++;
  act_once(self);
}

static void destroy_quietly(void *user) { ((scene *)user)->destroyed++; }

/* A codec that acts in its encoder, its decoder or its destroy. */
enum which { ENCODE, DECODE, DESTROY };

static immuta_codec *acting(scene *self, enum which which) {
  const immuta_codec_vtable vtable = {.struct_size = sizeof vtable,
                                      .id = INVERTER_ID,
                                      .name = "acting",
                                      .user = self,
                                      .encode = which == ENCODE ? pass_through : pass_quietly,
                                      .decode = which == DECODE ? pass_through : pass_quietly,
                                      .destroy = which == DESTROY ? destroy : destroy_quietly};
  immuta_codec *codec = NULL;
  CHECK_OK(immuta_codec_custom(&vtable, &codec, ERR));
  return codec;
}

static int64_t give_one_letter(void *user, void *buffer, size_t capacity) {
  scene *self = user;
  CHECK(capacity >= 1);
  memset(buffer, 'x', capacity); /* all of it may be written, whatever else is done */
  act_once(self);
  return self->calls == 1 ? 1 : 0;
}

static int32_t act_and_go_on(void *user, uint64_t done, uint64_t total) {
  CHECK(done <= total);
  act_once(user);
  return 0;
}

/* ---- Calls on the log ---- */

static void close_log(scene *self) { CHECK_OK(immuta_close(self->log, ERR)); }

static void close_log_and_open_another(scene *self) {
  close_log(self);
  self->log = OPEN(.names = {"b"});
}

static void shut_down_log(scene *self) { CHECK_OK(immuta_shutdown(self->log, ERR)); }

/* Every call on a log but those that end it. */
static void use_log(scene *self) {
  immuta_log *log = self->log;
  const immuta_slice slice = {"y", 1};
  const size_t size = 1;
  uint32_t ns;
  char name[16];
  immuta_appended appended;
  immuta_txn *txn = NULL;
  immuta_stream *stream = NULL;
  immuta_record record;
  uint64_t before = check_stats(log, 0).count;
  CHECK_OK(immuta_append(log, 0, "y", 1, NULL, ERR));
  CHECK_OK(immuta_appendv(log, 0, &slice, 1, NULL, ERR));
  CHECK_OK(immuta_append_batch(log, 0, &slice, 1, NULL, ERR));
  CHECK_OK(immuta_append_packed(log, 0, "y", &size, 1, NULL, ERR));
  CHECK_OK(immuta_append_at(log, 0, before + 4, &slice, 1, NULL, ERR));
  scene inner = {0};
  CHECK_OK(immuta_append_from(log, 0, give_one_letter, &inner, &appended, ERR));
  CHECK_EQ(appended.number, before + 5);
  CHECK_OK(immuta_txn_begin(log, 0, &txn, ERR));
  CHECK_OK(immuta_txn_append(txn, "y", 1, ERR));
  CHECK_OK(immuta_txn_commit(txn, NULL, ERR));
  CHECK_OK(immuta_sync(log, 0, ERR));
  immuta_status added = immuta_namespace_add(log, "more", &ns, NULL);
  CHECK(added == IMMUTA_OK || added == IMMUTA_E_EXISTS);
  CHECK_OK(immuta_namespace_find(log, "a", &ns, ERR));
  CHECK_OK(immuta_namespace_name(log, 0, name, sizeof name, ERR));
  CHECK_EQ(immuta_namespace_count(log), 2);
  (void)check_report(log, 0);
  CHECK_OK(immuta_stream_open(log, 0, (int64_t)before, &stream, ERR));
  CHECK_OK(immuta_stream_next(stream, 0, &record, ERR));
  CHECK_BYTES(record.data, record.size, "y", 1);
  CHECK_OK(immuta_record_done(&record));
  immuta_stream_done(stream);
  CHECK_EQ(check_stats(log, 0).count, before + 7);
}

/* ---- The source of append_from ---- */

static void a_source_may_use_its_log(void) {
  scene self = {.act = use_log, .log = OPEN()};
  CHECK_OK(immuta_append_from(self.log, 0, give_one_letter, &self, NULL, ERR));
  CHECK_EQ(check_stats(self.log, 0).count, 8);
  CHECK_OK(immuta_close(self.log, ERR));
}

static void a_source_may_end_its_log(void) {
  void (*const acts[])(scene *) = {close_log, close_log_and_open_another, shut_down_log};
  for (size_t i = 0; i < CHECK_COUNT(acts); i++) {
    scene self = {.act = acts[i], .log = OPEN()};
    immuta_log *log = self.log;
    CHECK_STATUS(IMMUTA_E_CLOSED, immuta_append_from(log, 0, give_one_letter, &self, NULL, ERR));
    if (acts[i] != close_log) CHECK_OK(immuta_close(self.log, ERR));
    log = OPEN();
    CHECK_EQ(check_report(log, 0).outcome, IMMUTA_OUTCOME_CLEAN);
    CHECK_EQ(check_stats(log, 0).count, 0);
    CHECK_OK(immuta_close(log, ERR));
  }
}

/* ---- A codec's encode ---- */

/* The append that runs a codec's encode, in each of its forms. */
static immuta_status append(scene *self, int form) {
  const immuta_slice slices[] = {{"a", 1}, {"b", 1}};
  const size_t sizes[] = {1, 1};
  scene source = {0};
  switch (form) {
    case 0: return immuta_append(self->log, 0, "ab", 2, NULL, ERR);
    case 1: return immuta_appendv(self->log, 0, slices, 2, NULL, ERR);
    case 2: return immuta_append_batch(self->log, 0, slices, 2, NULL, ERR);
    case 3: return immuta_append_packed(self->log, 0, "ab", sizes, 2, NULL, ERR);
    case 4: return immuta_append_at(self->log, 0, check_stats(self->log, 0).count, slices, 2, NULL, ERR);
    case 5: return immuta_append_from(self->log, 0, give_one_letter, &source, NULL, ERR);
    default: return immuta_txn_commit(self->txn, NULL, ERR);
  }
}

enum { FORMS = 7, AT = 4, COMMIT = 6 };

static void encoding(void (*act)(scene *self), scene *self) {
  *self = (scene){.act = act};
  self->codec = acting(self, ENCODE);
  self->log = open_with(self->codec);
}

static void begin(scene *self) {
  CHECK_OK(immuta_txn_begin(self->log, 0, &self->txn, ERR));
  CHECK_OK(immuta_txn_append(self->txn, "ab", 2, ERR));
}

static void an_encoder_may_use_its_log(void) {
  scene self;
  encoding(use_log, &self);
  for (int form = 0; form < FORMS; form++) {
    if (form == COMMIT) begin(&self);
    self.calls = 0;
    CHECK_STATUS(form == AT ? IMMUTA_E_CONFLICT : IMMUTA_OK, append(&self, form)); /* the encoder appended first */
    CHECK(self.calls > 1);
  }
  CHECK_OK(immuta_close(self.log, ERR));
  immuta_codec_free(self.codec);
  CHECK_EQ(self.destroyed, 1);
}

static void free_codec_and_close_log(scene *self) {
  immuta_codec_free(self->codec);
  close_log(self);
  CHECK_EQ(self->destroyed, 0); /* it is running */
}

static void an_encoder_may_end_its_log(void) {
  void (*const acts[])(scene *) = {free_codec_and_close_log, shut_down_log};
  for (size_t i = 0; i < CHECK_COUNT(acts); i++) {
    for (int form = 0; form < FORMS; form++) {
      scene self;
      encoding(acts[i], &self);
      if (form == COMMIT) begin(&self); /* other forms have no transaction, which would keep the log in memory */
      CHECK_STATUS(IMMUTA_E_CLOSED, append(&self, form));
      if (acts[i] == shut_down_log) {
        CHECK_OK(immuta_close(self.log, ERR));
        immuta_codec_free(self.codec);
      }
      CHECK_EQ(self.destroyed, 1);
    }
  }
}

static void use_txn(scene *self) {
  const immuta_slice slice = {"z", 1};
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_txn_append(self->txn, "z", 1, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_txn_appendv(self->txn, &slice, 1, ERR));
  CHECK_STATUS(IMMUTA_E_HANDLE, immuta_txn_commit(self->txn, NULL, ERR));
  immuta_txn_rollback(self->txn);
}

static void a_transaction_being_committed_is_released_already(void) {
  scene self;
  encoding(use_txn, &self);
  begin(&self);
  CHECK_OK(immuta_txn_commit(self.txn, NULL, ERR));
  CHECK_EQ(check_stats(self.log, 0).count, 1);
  CHECK_OK(immuta_close(self.log, ERR));
  immuta_codec_free(self.codec);
}

static void stage_more(scene *self) { CHECK_OK(immuta_txn_append(self->txn, "more", 4, ERR)); }

static void an_encoder_may_use_a_transaction_that_is_not_being_committed(void) {
  scene self;
  encoding(stage_more, &self);
  begin(&self);
  CHECK_OK(immuta_append(self.log, 0, "x", 1, NULL, ERR));
  CHECK_OK(immuta_txn_commit(self.txn, NULL, ERR));
  CHECK_EQ(check_stats(self.log, 0).count, 3);
  CHECK_OK(immuta_close(self.log, ERR));
  immuta_codec_free(self.codec);
}

/* ---- A codec's decode ---- */

static void decoding(void (*act)(scene *self), scene *self) {
  *self = (scene){.act = act};
  self->codec = acting(self, DECODE);
  self->log = open_with(self->codec);
  CHECK_OK(immuta_append(self->log, 0, "first", 5, NULL, ERR));
  CHECK_OK(immuta_append(self->log, 0, "second", 6, NULL, ERR));
  self->stream = check_stream(self->log, 0, 0);
}

/* Reads the first record, alone or in a batch, and gives it back. */
static void read_first(scene *self, int in_batch) {
  immuta_record record;
  immuta_batch batch;
  if (in_batch) {
    CHECK_OK(immuta_stream_next_batch(self->stream, 1, 100, -1, &batch, ERR));
    CHECK_BYTES(batch.records[0].data, batch.records[0].size, "first", 5);
    CHECK_OK(immuta_batch_done(&batch));
  } else {
    CHECK_OK(immuta_stream_next(self->stream, -1, &record, ERR));
    CHECK_BYTES(record.data, record.size, "first", 5);
    CHECK_OK(immuta_record_done(&record));
  }
}

static void use_stream(scene *self) {
  immuta_record record;
  immuta_batch batch;
  uint64_t number;
  int fd;
  CHECK_STATUS(IMMUTA_E_BUSY, immuta_stream_next(self->stream, -1, &record, ERR));
  CHECK_STATUS(IMMUTA_E_BUSY, immuta_stream_next_batch(self->stream, 1, 1, -1, &batch, ERR));
  CHECK_STATUS(IMMUTA_E_BUSY, immuta_stream_seek(self->stream, 0, ERR));
  CHECK_STATUS(IMMUTA_E_BUSY, immuta_stream_position(self->stream, &number));
  CHECK_STATUS(IMMUTA_E_BUSY, immuta_stream_poll_fd(self->stream, &fd, ERR));
  CHECK_STATUS(IMMUTA_E_BUSY, immuta_stream_poll_arm(self->stream, ERR));
  immuta_stream_done(self->stream); /* does nothing: the stream goes on */
  CHECK_OK(immuta_stream_interrupt(self->stream));
}

static void a_stream_that_decodes_is_busy(void) {
  for (int in_batch = 0; in_batch < 2; in_batch++) {
    scene self;
    immuta_record record;
    uint64_t number = 0;
    decoding(use_stream, &self);
    read_first(&self, in_batch);
    CHECK_OK(immuta_stream_position(self.stream, &number));
    CHECK_EQ(number, 1);
    CHECK_STATUS(IMMUTA_INTERRUPTED, immuta_stream_next(self.stream, -1, &record, ERR));
    CHECK_EQ(check_stats(self.log, 0).streams, 1);
    immuta_stream_done(self.stream);
    CHECK_EQ(check_stats(self.log, 0).streams, 0);
    CHECK_OK(immuta_close(self.log, ERR));
    immuta_codec_free(self.codec);
    CHECK_EQ(self.destroyed, 1);
    CHECK(unlink(check_path("a.log")) == 0 && unlink(check_path("a.idx")) == 0);
  }
}

static void a_decoder_may_use_and_end_its_log(void) {
  void (*const acts[])(scene *) = {use_log, free_codec_and_close_log, shut_down_log};
  for (size_t i = 0; i < CHECK_COUNT(acts); i++) {
    for (int in_batch = 0; in_batch < 2; in_batch++) {
      scene self;
      decoding(acts[i], &self);
      read_first(&self, in_batch);
      immuta_record record;
      if (acts[i] != use_log) CHECK_STATUS(IMMUTA_E_CLOSED, immuta_stream_next(self.stream, -1, &record, ERR));
      immuta_stream_done(self.stream);
      if (acts[i] != free_codec_and_close_log) {
        CHECK_OK(immuta_close(self.log, ERR));
        immuta_codec_free(self.codec);
      }
      CHECK_EQ(self.destroyed, 1);
      CHECK(unlink(check_path("a.log")) == 0 && unlink(check_path("a.idx")) == 0);
      if (acts[i] == use_log) CHECK(unlink(check_path("more.log")) == 0 && unlink(check_path("more.idx")) == 0);
    }
  }
}

/* ---- A codec's destroy ---- */

/* The object that the call releases when it destroys the codec is gone for every other call. */
static void use_what_is_released(scene *self) {
  immuta_record record;
  if (self->codec != NULL) immuta_codec_free(self->codec);
  if (self->options != NULL) {
    CHECK_STATUS(IMMUTA_E_HANDLE, immuta_options_set_read_only(self->options, 1));
    immuta_options_free(self->options);
  }
  if (self->stream != NULL) {
    CHECK_STATUS(IMMUTA_E_HANDLE, immuta_stream_next(self->stream, 0, &record, ERR));
    CHECK_STATUS(IMMUTA_E_HANDLE, immuta_stream_interrupt(self->stream));
    immuta_stream_done(self->stream);
  }
  if (self->txn != NULL) use_txn(self);
  if (self->log != NULL) {
    CHECK_STATUS(IMMUTA_E_HANDLE, immuta_append(self->log, 0, "x", 1, NULL, ERR));
    CHECK_STATUS(IMMUTA_E_HANDLE, immuta_shutdown(self->log, ERR));
    CHECK_STATUS(IMMUTA_E_HANDLE, immuta_close(self->log, ERR));
  }
  scene other = {.log = OPEN(.names = {"other"})}; /* and others can be made */
  check_append(other.log, 0, 10, 1);
  CHECK_OK(immuta_close(other.log, ERR));
}

static void what_destroys_a_codec_is_released_for_its_destroy(void) {
  scene self = {.act = use_what_is_released};
  self.codec = acting(&self, DESTROY); /* the codec itself */
  immuta_codec_free(self.codec);
  CHECK_EQ(self.destroyed, 1);

  self = (scene){.act = use_what_is_released}; /* the options */
  immuta_codec *codec = acting(&self, DESTROY);
  self.options = check_options((check_setup){.codecs = {codec}});
  immuta_codec_free(codec);
  immuta_options_free(self.options);
  CHECK_EQ(self.destroyed, 1);

  self = (scene){.act = use_what_is_released}; /* the log */
  codec = acting(&self, DESTROY);
  self.log = open_with(codec);
  immuta_codec_free(codec);
  CHECK_OK(immuta_close(self.log, ERR));
  CHECK_EQ(self.destroyed, 1);

  self = (scene){.act = use_what_is_released}; /* a stream */
  codec = acting(&self, DESTROY);
  immuta_log *log = open_with(codec);
  immuta_codec_free(codec);
  self.stream = check_stream(log, 0, 0);
  CHECK_OK(immuta_close(log, ERR));
  immuta_stream_done(self.stream);
  CHECK_EQ(self.destroyed, 1);

  for (int commit = 0; commit < 2; commit++) { /* a transaction */
    self = (scene){.act = use_what_is_released};
    codec = acting(&self, DESTROY);
    log = open_with(codec);
    immuta_codec_free(codec);
    CHECK_OK(immuta_txn_begin(log, 0, &self.txn, ERR));
    CHECK_OK(immuta_txn_append(self.txn, "x", 1, ERR));
    CHECK_OK(immuta_close(log, ERR));
    CHECK_EQ(self.destroyed, 0);
    if (commit) CHECK_STATUS(IMMUTA_E_CLOSED, immuta_txn_commit(self.txn, NULL, ERR));
    else immuta_txn_rollback(self.txn);
    CHECK_EQ(self.destroyed, 1);
  }
}

/* ---- Progress ---- */

static immuta_options *options_with_another_codec(void) {
  static scene quiet;
  immuta_codec *codec = acting(&quiet, ENCODE);
  immuta_options *options = check_options((check_setup){.no_names = 1, .codecs = {codec}});
  immuta_codec_free(codec);
  return options;
}

static immuta_status verify_once_more(void) {
  immuta_report report;
  immuta_options *options = options_with_another_codec();
  immuta_status status = immuta_verify(check_dir(), "a", options, NULL, NULL, &report, sizeof report, ERR);
  immuta_options_free(options);
  return status;
}

static immuta_status repair_once_more(void) {
  immuta_report report;
  immuta_options *options = options_with_another_codec();
  immuta_status status =
      immuta_repair(check_dir(), "a", options, IMMUTA_REPAIR_APPLY, NULL, NULL, &report, sizeof report, ERR);
  immuta_options_free(options);
  return status;
}

static immuta_status append_once_more(void) {
  immuta_log *log = NULL;
  immuta_options *options = options_with_another_codec();
  CHECK_OK(immuta_options_add_namespace(options, "a"));
  immuta_status status = immuta_open(check_dir(), options, &log, ERR);
  if (status == IMMUTA_OK) {
    CHECK_OK(immuta_append(log, 0, "while it is verified", 20, NULL, ERR));
    CHECK_OK(immuta_close(log, ERR));
  }
  immuta_options_free(options);
  return status;
}

/* What the call was given. */
static void release(scene *self) {
  immuta_options_free(self->options);
  immuta_codec_free(self->codec);
  CHECK_EQ(self->destroyed, 0);
}

static void use_namespace_under_verify(scene *self) {
  release(self);
  CHECK_OK(verify_once_more());
  CHECK_OK(repair_once_more());
  CHECK_OK(append_once_more());
}

static void use_namespace_under_repair(scene *self) {
  release(self);
  CHECK_OK(verify_once_more());
  CHECK_STATUS(IMMUTA_E_LOCKED, repair_once_more());
  CHECK_STATUS(IMMUTA_E_LOCKED, append_once_more());
}

static void use_namespace_being_imported(scene *self) {
  immuta_report report;
  release(self);
  immuta_status status =
      immuta_import(check_path("source"), check_dir(), "imported", NULL, NULL, NULL, &report, sizeof report, ERR);
  CHECK(status == IMMUTA_E_LOCKED || status == IMMUTA_E_EXISTS);
}

static void a_progress_callback_may_release_what_its_call_was_given(void) {
  void (*const acts[])(scene *) = {use_namespace_under_verify, use_namespace_under_repair,
                                   use_namespace_being_imported};
  scene self = {0};
  immuta_report report;
  immuta_codec *codec = acting(&self, DESTROY);
  immuta_log *log = open_with(codec);
  for (int i = 0; i < 3; i++) check_append(log, 0, 100, 1);
  CHECK_OK(immuta_close(log, ERR));
  immuta_codec_free(codec);
  check_copy_file(check_path("a.log"), check_path("source"));
  for (size_t i = 0; i < CHECK_COUNT(acts); i++) {
    self = (scene){.act = acts[i]};
    self.codec = acting(&self, ENCODE);
    immuta_options *options = self.options = check_options((check_setup){.no_names = 1, .codecs = {self.codec}});
    immuta_progress_fn progress = act_and_go_on;
    if (i == 0) CHECK_OK(immuta_verify(check_dir(), "a", options, progress, &self, &report, sizeof report, ERR));
    if (i == 1)
      CHECK_OK(
          immuta_repair(check_dir(), "a", options, IMMUTA_REPAIR_APPLY, progress, &self, &report, sizeof report, ERR));
    if (i == 2)
      CHECK_OK(immuta_import(check_path("source"), check_dir(), "imported", options, progress, &self, &report,
                             sizeof report, ERR));
    CHECK(self.calls > 0);
    CHECK_EQ(report.finding, IMMUTA_OK);
    CHECK_EQ(report.count, i == 1 ? 4 : 3); /* what is committed when a verify begins is verified */
    CHECK_EQ(self.destroyed, 1);
  }
}

static const check_case cases[] = {
    CASE(a_source_may_use_its_log),
    CASE(a_source_may_end_its_log),
    CASE(an_encoder_may_use_its_log),
    CASE(an_encoder_may_end_its_log),
    CASE(a_transaction_being_committed_is_released_already),
    CASE(an_encoder_may_use_a_transaction_that_is_not_being_committed),
    CASE(a_stream_that_decodes_is_busy),
    CASE(a_decoder_may_use_and_end_its_log),
    CASE(what_destroys_a_codec_is_released_for_its_destroy),
    CASE(a_progress_callback_may_release_what_its_call_was_given),
};

int main(int argc, char **argv) { return check_main(cases, CHECK_COUNT(cases), argc, argv); }
