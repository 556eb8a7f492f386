/* prune.c - a whole program over lop.h: opens a model, removes half of its weights with Wanda, prints what came out.
 *
 *   prune MODEL CALIBRATION SAVE [RATIO]
 *
 * MODEL is a Hugging Face folder or a .gguf file, CALIBRATION a text (.txt, .jsonl) or token ids (.i32), SAVE a folder
 * to be made. Build it against an installed liblop:
 *
 *   cc prune.c $(pkg-config --cflags --libs lop) -o prune */
#include <lop.h>
#include <stdio.h>

/* Warnings and stages go by on standard error while the run lasts. */
static void show(const lop_event *event, void *user)
{
    (void)user;
    if (event->kind != LOP_EVENT_PROGRESS) fprintf(stderr, "%s\n", event->text);
}

/* The report is one JSON object; single numbers of it have names. */
static void print_result(const lop_result *result)
{
    double fraction = 0;
    printf("%s\n", lop_result_json(result));
    if (lop_result_number(result, "sparsity.prunable", &fraction) == LOP_OK)
        printf("removed %.4f of the prunable weights\n", fraction);
}

int main(int count, char **words)
{
    if (count < 4 || count > 5) {
        fprintf(stderr, "usage: %s MODEL CALIBRATION SAVE [RATIO]   (liblop %s)\n", words[0], lop_version());
        return lop_status_exit(LOP_E_ARGUMENT);
    }
    const lop_setting how[] = {{"sparsity-ratio", count == 5 ? words[4] : "0.5"}, {"calib", words[2]}};
    lop_session *session = NULL;
    lop_model *model = NULL;
    lop_result *result = NULL;

    lop_status status = lop_session_open(NULL, 0, &session);
    if (status == LOP_OK) {
        lop_session_watch(session, show, NULL);
        status = lop_model_open(session, words[1], &model);
    }
    if (status == LOP_OK) status = lop_prune(model, "wanda", how, 2, words[3], &result);
    if (status == LOP_OK)
        print_result(result);
    else
        fprintf(stderr, "%s: %s\n", words[0], lop_error());

    lop_result_close(result);
    lop_model_close(model);
    lop_session_close(session);
    return lop_status_exit(status);
}
