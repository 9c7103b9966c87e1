/* Threads, sockets and time of Windows and of POSIX behind the same few names. */
#ifndef PROFITSIM_PLATFORM_H
#define PROFITSIM_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>

typedef SRWLOCK mutex_t;
typedef HANDLE thread_t;
typedef SOCKET socket_t;
#define MUTEX_INIT SRWLOCK_INIT
#define NO_SOCKET INVALID_SOCKET
#define SEND_FLAGS 0
#define THREAD_RESULT DWORD WINAPI

static inline void mutex_lock(mutex_t *mutex) { AcquireSRWLockExclusive(mutex); }
static inline void mutex_unlock(mutex_t *mutex) { ReleaseSRWLockExclusive(mutex); }
static inline bool thread_start(thread_t *thread, DWORD(WINAPI *body)(void *)) {
    *thread = CreateThread(NULL, 0, body, NULL, 0, NULL);
    return *thread != NULL;
}
static inline void thread_join(thread_t thread) {
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}
static inline void sleep_ms(uint32_t ms) { Sleep(ms); }
static inline void process_abort(void) { TerminateProcess(GetCurrentProcess(), 3); } /* as abort(), without a dialog */
static inline int64_t monotonic_ns(void) {
    LARGE_INTEGER count, frequency;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    return count.QuadPart / frequency.QuadPart * 1000000000 +
           count.QuadPart % frequency.QuadPart * 1000000000 / frequency.QuadPart;
}
static inline bool network_start(void) {
    WSADATA data;
    return WSAStartup(MAKEWORD(2, 2), &data) == 0;
}
static inline void network_stop(void) { WSACleanup(); }
static inline void socket_close(socket_t s) { closesocket(s); }
static inline void socket_shutdown(socket_t s) { shutdown(s, SD_BOTH); }
static inline bool socket_timed_out(void) { return WSAGetLastError() == WSAETIMEDOUT; }
static inline void socket_timeouts(socket_t s, uint32_t receive_ms, uint32_t send_ms) {
    DWORD receive = receive_ms, send = send_ms;
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, (const char *)&receive, sizeof receive);
    setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, (const char *)&send, sizeof send);
}
#else
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

typedef pthread_mutex_t mutex_t;
typedef pthread_t thread_t;
typedef int socket_t;
#define MUTEX_INIT PTHREAD_MUTEX_INITIALIZER
#define NO_SOCKET (-1)
#define SEND_FLAGS MSG_NOSIGNAL
#define THREAD_RESULT void *

static inline void mutex_lock(mutex_t *mutex) { pthread_mutex_lock(mutex); }
static inline void mutex_unlock(mutex_t *mutex) { pthread_mutex_unlock(mutex); }
static inline bool thread_start(thread_t *thread, void *(*body)(void *)) {
    return pthread_create(thread, NULL, body, NULL) == 0;
}
static inline void thread_join(thread_t thread) { pthread_join(thread, NULL); }
static inline void process_abort(void) { abort(); }
static inline void sleep_ms(uint32_t ms) {
    struct timespec wait = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&wait, NULL);
}
static inline int64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
static inline bool network_start(void) { return true; }
static inline void network_stop(void) {}
static inline void socket_close(socket_t s) { close(s); }
static inline void socket_shutdown(socket_t s) { shutdown(s, SHUT_RDWR); }
static inline bool socket_timed_out(void) { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }
static inline void socket_timeouts(socket_t s, uint32_t receive_ms, uint32_t send_ms) {
    struct timeval receive = {receive_ms / 1000, (suseconds_t)(receive_ms % 1000) * 1000};
    struct timeval send = {send_ms / 1000, (suseconds_t)(send_ms % 1000) * 1000};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &receive, sizeof receive);
    setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &send, sizeof send);
}
#endif

#endif
