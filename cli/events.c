/* events.c - what a run tells: JSON lines on standard output, or for people on standard error a progress bar with the
 * time left on a terminal and plain lines elsewhere. And signals, which ask the run to end where it can be resumed. */
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static lop_session *volatile watched; /* for the signal handler */
static volatile sig_atomic_t signal_received;

static void on_signal(int number)
{
    signal_received = number;
    if (watched) lop_session_stop(watched);
}

void cli_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

int cli_signal_exit(int exit_code)
{
    return signal_received == SIGTERM ? 143 : exit_code;
}

typedef struct progress {
    struct timespec began, shown;
    double last;
    char what[64];
    bool line_open;
} progress;

static double seconds_since(const struct timespec *then)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + 1e-9 * (double)(now.tv_nsec - then->tv_nsec);
}

static void end_line(progress *p)
{
    if (p->line_open) (void)fputc('\n', stderr);
    p->line_open = false;
}

static void draw_bar(progress *p, const lop_event *event, double part)
{
    static const char full[] = "##############################";
    const int width = (int)(part * 30);
    const double spent = seconds_since(&p->began);
    const double left = part > 0 ? spent * (1 - part) / part : 0;
    (void)fprintf(stderr, "\r[%-30.*s] %s, %.0f s left   ", width, full, event->text, left);
    p->line_open = true;
    if (part >= 1) end_line(p);
}

/* A new thing counted, or a count that starts again, starts the clock again. */
static void show_progress(progress *p, const lop_event *event)
{
    const double part = event->total > 0 ? event->done / event->total : 0;
    const char *words = strstr(event->text, " of ");
    const char *what = words ? words : event->text;
    if (strncmp(what, p->what, sizeof p->what - 1) != 0 || event->done < p->last) {
        end_line(p);
        (void)snprintf(p->what, sizeof p->what, "%s", what);
        (void)clock_gettime(CLOCK_MONOTONIC, &p->began);
        p->shown = (struct timespec){0};
    }
    p->last = event->done;
    const bool terminal = isatty(STDERR_FILENO) == 1;
    if (seconds_since(&p->shown) < (terminal ? 0.1 : 10) && part < 1) return;
    (void)clock_gettime(CLOCK_MONOTONIC, &p->shown);
    if (terminal)
        draw_bar(p, event, part);
    else
        (void)fprintf(stderr, "%s\n", event->text);
}

static void on_event(const lop_event *event, void *user)
{
    static progress p;
    const cli *c = user;
    if (c->json) {
        if (c->quiet && (event->kind == LOP_EVENT_PROGRESS || event->kind == LOP_EVENT_NOTE)) return;
        printf("%s\n", event->json);
        (void)fflush(stdout);
        return;
    }
    if (event->kind == LOP_EVENT_WARNING) {
        end_line(&p);
        (void)fprintf(stderr, "warning: %s\n", event->text);
    } else if (c->quiet) {
        return;
    } else if (event->kind == LOP_EVENT_PROGRESS) {
        show_progress(&p, event);
    } else if (event->kind == LOP_EVENT_NOTE) {
        end_line(&p);
        (void)fprintf(stderr, "%s\n", event->text);
    }
}

void cli_watch(cli *c)
{
    watched = c->session;
    if (signal_received) lop_session_stop(watched);
    lop_session_watch(c->session, on_event, c);
}
