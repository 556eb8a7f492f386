/* show.c - results for people, read from the same JSON that --json prints. */
#include "cli/cli.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static json_t *parse_result(const cli *c)
{
    return json_loads(lop_result_json(c->result), 0, NULL);
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static void show_field(const char *key, const json_t *value)
{
    if (json_is_string(value)) printf("%-18s %s\n", key, json_string_value(value));
    if (json_is_integer(value)) printf("%-18s %" JSON_INTEGER_FORMAT "\n", key, json_integer_value(value));
    if (json_is_real(value)) printf("%-18s %.6g\n", key, json_real_value(value));
    if (json_is_boolean(value)) printf("%-18s %s\n", key, json_is_true(value) ? "yes" : "no");
}

void cli_show_fields(const cli *c)
{
    json_t *object = parse_result(c);
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) if (strcmp(key, "event") != 0) show_field(key, value);
    const json_t *linears = json_object_get(object, "linears");
    for (size_t i = 0; i < json_array_size(linears); i++) {
        const json_t *l = json_array_get(linears, i), *shape = json_object_get(l, "shape");
        printf("  %-44s (%" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT ") %s\n", text(l, "name"),
               json_integer_value(json_array_get(shape, 0)), json_integer_value(json_array_get(shape, 1)),
               text(l, "dtype"));
    }
    json_decref(object);
}

static void show_peak(const json_t *peak)
{
    const json_t *device = json_object_get(peak, "device");
    const json_t *host = json_object_get(peak, "host");
    if (json_is_number(host))
        printf("  peak host memory       %.2f GiB\n", json_number_value(host) / 1073741824.0);
    if (json_is_number(device))
        printf("  peak device memory     %.2f GiB\n", json_number_value(device) / 1073741824.0);
}

static void show_sparsity(const json_t *s)
{
    printf(
        "  removed by the mask    %.0f of %.0f prunable weights (%.4f %%), of all %.0f parameters %.4f %%\n",
        number(s, "dropped"), number(s, "prunable_weights"), 100 * number(s, "prunable"),
        number(s, "parameters"), 100 * number(s, "all_parameters"));
    printf("  zeros in the file      %.0f (%.0f were there before)\n", number(s, "zeros"),
           number(s, "zeros_before"));
}

static void show_skipped(const json_t *skipped)
{
    if (json_array_size(skipped) == 0) return;
    const json_t *first = json_array_get(skipped, 0);
    printf("  left dense             %zu linears, the first %s: %s\n", json_array_size(skipped),
           text(first, "name"), text(first, "reason"));
}

static bool structured(const char *method)
{
    return strstr(method, "-sp") != NULL || strcmp(method, "flap") == 0 ||
           strcmp(method, "policy-gradient") == 0;
}

void cli_show_prune(const cli *c)
{
    const char *save = cli_own(c, "save") ? cli_own(c, "save") : cli_own(c, "save-model");
    json_t *r = parse_result(c);
    const json_t *seconds = json_object_get(r, "seconds");
    printf("%s: %s on %s (%s)\n", save, text(r, "method"), text(r, "backend"), text(r, "device"));
    show_sparsity(json_object_get(r, "sparsity"));
    show_skipped(json_object_get(r, "skipped"));
    printf("  seconds                %.1f\n", number(seconds, "total"));
    show_peak(json_object_get(r, "peak_bytes"));
    printf("\nLoad it:      transformers.AutoModelForCausalLM.from_pretrained(\"%s\")\n", save);
    printf("Evaluate it:  lm_eval --model hf --model_args pretrained=%s --tasks wikitext\n", save);
    printf("Prove it:     lop verify %s\n", save);
    if (!structured(text(r, "method")) &&
        json_is_null(json_object_get(json_object_get(r, "sparsity"), "pattern")))
        printf("Unstructured zeros make this file neither smaller nor faster by themselves.\n");
    json_decref(r);
}

static void show_bytes(const char *what, const json_t *object, const char *key)
{
    printf("%s %.3f GiB", what, number(object, key) / 1073741824.0);
}

void cli_show_plan(const cli *c)
{
    json_t *r = parse_result(c);
    const json_t *stages = json_object_get(r, "stages"), *peak = json_object_get(r, "peak");
    for (size_t i = 0; i < json_array_size(stages); i++) {
        const json_t *stage = json_array_get(stages, i);
        printf("%-10s", text(stage, "name"));
        show_bytes("  device", stage, "device_bytes");
        show_bytes("  host", stage, "host_bytes");
        show_bytes("  disk", stage, "disk_bytes");
        printf("  %.3g floating-point operations\n", number(stage, "flops"));
    }
    printf("%-10s", "peak");
    show_bytes("  device", peak, "device");
    show_bytes("  host", peak, "host");
    show_bytes("  disk", peak, "disk");
    putchar('\n');
    json_decref(r);
}

static void show_choices(const json_t *r)
{
    const json_t *error = json_object_get(r, "stderr");
    printf("accuracy %.4f", number(r, "accuracy"));
    if (json_is_number(error)) printf(" +- %.4f", json_number_value(error));
    printf("  (%.4f per character, %.4f per token; %.0f questions, %.0f answers, %.0f cut from the left)\n",
           number(r, "accuracy_per_char"), number(r, "accuracy_per_token"), number(r, "questions"),
           number(r, "requests"), number(r, "cut"));
}

static void show_perplexity(const json_t *r)
{
    printf("perplexity %.4f  (mean %.6f nats over %.0f predictions: %.0f windows of %.0f tokens)\n",
           number(r, "perplexity"), number(r, "nll"), number(r, "tokens"), number(r, "windows"),
           number(r, "seqlen"));
}

void cli_show_eval(const cli *c)
{
    json_t *r = parse_result(c);
    if (json_object_get(r, "accuracy") != NULL)
        show_choices(r);
    else
        show_perplexity(r);
    printf("protocol: %s\n", text(r, "protocol"));
    json_decref(r);
}

static void show_failure(const json_t *f)
{
    const json_t *element = json_object_get(f, "element");
    printf("  %s", text(f, "tensor"));
    for (size_t i = 0; i < json_array_size(element); i++)
        printf("%s%" JSON_INTEGER_FORMAT, i == 0 ? " element (" : ", ",
               json_integer_value(json_array_get(element, i)));
    if (json_array_size(element) > 0) printf(")");
    printf(": %s\n", text(f, "what"));
}

/* True if one of the linears was found on its grids, or off them. */
static bool any_is(const json_t *verified, bool on)
{
    const json_t *linears = json_object_get(verified, "linears");
    for (size_t i = 0; i < json_array_size(linears); i++) {
        const json_t *held = json_object_get(json_array_get(linears, i), "on_grid");
        if (json_is_boolean(held) && json_is_true(held) == on) return true;
    }
    return false;
}

static bool on_grids(const json_t *verified)
{
    return any_is(verified, true) || any_is(verified, false);
}

void cli_show_verify(const cli *c)
{
    json_t *r = parse_result(c);
    const json_t *failures = json_object_get(r, "failures"),
                 *untouched = json_object_get(r, "untouched_identical");
    printf("verify: %s\n", json_is_true(json_object_get(r, "ok")) ? "ok" : "FAILED");
    printf("  zeros %.0f of %.0f prunable weights\n", number(r, "zeros"), number(r, "prunable_weights"));
    if (json_is_boolean(untouched))
        printf("  untouched tensors%s identical: %s\n", on_grids(r) ? "" : " and kept weights",
               json_is_true(untouched) ? "yes" : "no");
    if (on_grids(r))
        printf("  weights lie on the grids of the report: %s\n", any_is(r, false) ? "no" : "yes");
    for (size_t i = 0; i < json_array_size(failures) && i < 20; i++)
        show_failure(json_array_get(failures, i));
    if (json_array_size(failures) > 20) printf("  and %zu more\n", json_array_size(failures) - 20);
    json_decref(r);
}

void cli_show_generate(const cli *c)
{
    json_t *r = parse_result(c);
    printf("%s\n", text(r, "text"));
    json_decref(r);
}

void cli_show_devices(const cli *c)
{
    json_t *r = parse_result(c);
    const json_t *devices = json_object_get(r, "devices"), *missing = json_object_get(r, "missing");
    for (size_t i = 0; i < json_array_size(devices); i++) {
        const json_t *d = json_array_get(devices, i);
        printf("%s:%.0f  %s, %.1f GiB, %.0f units\n", text(d, "backend"), number(d, "index"), text(d, "name"),
               number(d, "bytes_total") / 1073741824.0, number(d, "units"));
    }
    for (size_t i = 0; i < json_array_size(missing); i++)
        printf("%s: %s\n", text(json_array_get(missing, i), "backend"),
               text(json_array_get(missing, i), "why"));
    json_decref(r);
}
