/* test_log.c - what a listener hears. */
#include "core/base/log.h"
#include "core/base/memory.h"
#include "tests/base/base_groups.h"

#include <stdio.h>
#include <string.h>

typedef struct heard {
    int count;
    lop_event_kind kind;
    char text[1200], json[2400];
    double done, total;
} heard;

static void listen(const lop_event *event, void *user)
{
    heard *h = user;
    h->count++;
    h->kind = event->kind;
    (void)snprintf(h->text, sizeof h->text, "%s", event->text);
    (void)snprintf(h->json, sizeof h->json, "%s", event->json);
    h->done = event->done;
    h->total = event->total;
}

static void sentences_become_json(void **state)
{
    (void)state;
    heard h = {0};
    lop_log log = {.fn = listen, .user = &h};
    lop_log_say(&log, LOP_EVENT_NOTE, "read \"%s\"\tin %d s", "C:\\x", 3);
    assert_int_equal(h.kind, LOP_EVENT_NOTE);
    assert_string_equal(h.text, "read \"C:\\x\"\tin 3 s");
    assert_string_equal(h.json, "{\"event\":\"note\",\"message\":\"read \\\"C:\\\\x\\\"\\tin 3 s\"}");
    lop_log_say(&log, LOP_EVENT_WARNING, "caf\xe9");
    assert_string_equal(h.json, "{\"event\":\"warning\",\"message\":\"caf\xef\xbf\xbd\"}");
    assert_int_equal(h.count, 2);
}

/* A sentence that is cut inside a letter is still JSON. */
static void long_sentences_are_cut(void **state)
{
    (void)state;
    heard h = {0};
    lop_log log = {.fn = listen, .user = &h};
    char text[2001];
    for (size_t i = 0; i < 1000; i++) memcpy(text + 2 * i, "\xc3\xa4", 3);
    lop_log_say(&log, LOP_EVENT_NOTE, "%s", text);
    assert_int_equal(strlen(h.text), 1023);
    assert_non_null(strstr(h.json, "\xc3\xa4\xef\xbf\xbd\"}"));
}

static void progress_and_stages(void **state)
{
    (void)state;
    heard h = {0};
    lop_log log = {.fn = listen, .user = &h};
    lop_log_progress(&log, "blocks", 3, 32);
    assert_int_equal(h.kind, LOP_EVENT_PROGRESS);
    assert_string_equal(h.text, "3 of 32 blocks");
    assert_string_equal(h.json, "{\"event\":\"progress\",\"what\":\"blocks\",\"done\":3,\"total\":32}");
    assert_true(h.done == 3 && h.total == 32);
    lop_log_progress(&log, "windows", 0.5, 1e15);
    assert_non_null(strstr(h.json, "\"done\":0.5,\"total\":1e+15}"));
    lop_log_stage(&log, "{\"event\":\"block\",\"index\":1}", "block 1");
    assert_int_equal(h.kind, LOP_EVENT_STAGE);
    assert_string_equal(h.text, "block 1");
    assert_string_equal(h.json, "{\"event\":\"block\",\"index\":1}");
}

static void silence(void **state)
{
    (void)state;
    lop_log deaf = {0};
    lop_log_say(NULL, LOP_EVENT_NOTE, "nobody");
    lop_log_say(&deaf, LOP_EVENT_NOTE, "nobody");
    lop_log_progress(NULL, "x", 1, 2);
    lop_log_progress(&deaf, "x", 1, 2);
    lop_log_stage(NULL, "{}", "x");
    lop_log_stage(&deaf, "{}", "x");
}

/* Without memory the sentence still arrives, and an error on its way up is not overwritten. */
static void no_memory(void **state)
{
    (void)state;
    heard h = {0};
    lop_log log = {.fn = listen, .user = &h};
    (void)LOP_FAIL(LOP_E_FORMAT, "the reason");
    lop_alloc_fail_at(1);
    lop_log_say(&log, LOP_EVENT_WARNING, "giving up");
    assert_string_equal(h.text, "giving up");
    assert_string_equal(h.json, "{\"event\":\"warning\"}");
    lop_log_say(&log, LOP_EVENT_NOTE, "giving up");
    assert_string_equal(h.json, "{\"event\":\"note\"}");
    lop_log_progress(&log, "blocks", 1, 2);
    lop_alloc_fail_at(0);
    assert_string_equal(h.json, "{\"event\":\"progress\"}");
    assert_true(h.done == 1 && h.total == 2);
    assert_string_equal(lop_error(), "the reason");
}

static void stopping(void **state)
{
    (void)state;
    lop_log log = {0};
    assert_int_equal(lop_log_check_stop(NULL), LOP_OK);
    assert_int_equal(lop_log_check_stop(&log), LOP_OK);
    atomic_store(&log.stop, true);
    assert_failed(lop_log_check_stop(&log), LOP_E_STOPPED, "can be resumed");
    assert_true(atomic_is_lock_free(&log.stop));
}

int test_log(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences_become_json),
        cmocka_unit_test(long_sentences_are_cut),
        cmocka_unit_test(progress_and_stages),
        cmocka_unit_test(silence),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(stopping),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
