/* What holds a pod's namespaces: waits for a signal to end, and reaps the orphans that come to it. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave(int number) { _exit(0); }

static void reap(int number) {
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
}

int main(void) {
    struct sigaction on_child = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};
    sigaction(SIGCHLD, &on_child, NULL);
    signal(SIGINT, leave);
    signal(SIGTERM, leave);
    for (;;) {
        pause();
    }
}
