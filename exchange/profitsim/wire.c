/* The connection to the simulated exchange: whole frames out, bursts of frames in. One buffer, no allocation. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { BUFFER_SIZE = 1 << 18, IDLE_MS = 20, SEND_MS = 2000 };

static struct {
    struct sockaddr_in address;
    bool configured;
    socket_t socket;
    uint32_t filled; /* bytes in `buffer` */
} wire = {.socket = NO_SOCKET};
static uint8_t buffer[BUFFER_SIZE];
static union {
    int64_t aligned;
    uint8_t bytes[sizeof(wire_book)]; /* the longest */
} message;

static const struct {
    uint16_t type;
    uint16_t size;
} INCOMING[] = {
    {WIRE_LOGIN_REPLY, sizeof(wire_login_reply)}, {WIRE_ACCOUNT, sizeof(wire_account)},
    {WIRE_INSTRUMENT, sizeof(wire_instrument)},   {WIRE_LOGIN_DONE, sizeof(wire_login_done)},
    {WIRE_CLOCK, sizeof(wire_clock)},             {WIRE_TRADE, sizeof(wire_trade)},
    {WIRE_BOOK, sizeof(wire_book)},               {WIRE_HISTORY_TRADE, sizeof(wire_trade)},
    {WIRE_HISTORY_END, sizeof(wire_history_end)}, {WIRE_ORDER, sizeof(wire_order)},
    {WIRE_POSITION, sizeof(wire_position)},       {WIRE_TICKER_STATE, sizeof(wire_ticker_state)},
    {WIRE_STATE, sizeof(wire_state)},             {WIRE_FAULT, sizeof(wire_fault)},
    {WIRE_DAILY, sizeof(wire_daily)},
};

void wire_reset(void) {
    wire.configured = false;
    wire.filled = 0;
}

size_t wire_body_size(uint16_t type) {
    for (size_t i = 0; i < sizeof INCOMING / sizeof *INCOMING; i++)
        if (INCOMING[i].type == type) return INCOMING[i].size;
    return 0;
}

bool wire_configured(void) { return wire.configured; }

/* Loopback only: the simulator is no way out of the machine. */
bool wire_configure(const wchar_t *host, const wchar_t *port) {
    char host_text[64], port_text[8];
    if (!to_utf8(host, host_text, sizeof host_text - 1)) return false;
    if (!to_utf8(port, port_text, sizeof port_text - 1)) return false;
    host_text[sizeof host_text - 1] = port_text[sizeof port_text - 1] = 0;
    char *end;
    long number = strtol(port_text, &end, 10);
    if (end == port_text || *end != 0 || number < 1 || number > 65535) return false;
    memset(&wire.address, 0, sizeof wire.address);
    wire.address.sin_family = AF_INET;
    wire.address.sin_port = htons((uint16_t)number);
    const char *literal = strcmp(host_text, "localhost") == 0 ? "127.0.0.1" : host_text;
    if (inet_pton(AF_INET, literal, &wire.address.sin_addr) != 1) return false;
    if (ntohl(wire.address.sin_addr.s_addr) >> 24 != 127) return false;
    return wire.configured = true;
}

bool wire_connect(void) {
    socket_t made = socket(AF_INET, SOCK_STREAM, 0);
    if (made == NO_SOCKET) return false;
    if (connect(made, (struct sockaddr *)&wire.address, sizeof wire.address) != 0) {
        socket_close(made);
        return false;
    }
    int one = 1;
    setsockopt(made, IPPROTO_TCP, TCP_NODELAY, (const char *)&one, sizeof one);
    socket_timeouts(made, IDLE_MS, SEND_MS);
    wire.filled = 0;
    mutex_lock(&sim.send_lock);
    wire.socket = made;
    mutex_unlock(&sim.send_lock);
    return true;
}

bool wire_send(uint16_t type, const void *body, uint32_t size) {
    uint8_t frame[sizeof(wire_header) + sizeof(wire_order)];
    wire_header header = {(uint32_t)sizeof header + size, type, WIRE_VERSION};
    if (header.length > sizeof frame) return false;
    memcpy(frame, &header, sizeof header);
    memcpy(frame + sizeof header, body, size);
    mutex_lock(&sim.send_lock);
    uint32_t sent = 0;
    while (wire.socket != NO_SOCKET && sent < header.length) {
        int part = (int)send(wire.socket, (const char *)frame + sent, header.length - sent, SEND_FLAGS);
        if (part <= 0) {
            socket_shutdown(wire.socket); /* half a frame is out: only a new connection helps */
            break;
        }
        sent += (uint32_t)part;
    }
    mutex_unlock(&sim.send_lock);
    return sent == header.length;
}

static bool handle_frames(void) {
    uint32_t at = 0;
    wire_header header;
    bool good = true;
    while (good && wire.filled - at >= sizeof header) {
        memcpy(&header, buffer + at, sizeof header);
        size_t size = wire_body_size(header.type);
        if (size == 0 || header.length != sizeof header + size || header.version != WIRE_VERSION) {
            log_line("unknown frame: type %u, %u bytes, version %u", header.type, header.length, header.version);
            return false;
        }
        if (wire.filled - at < header.length) break;
        memcpy(message.bytes, buffer + at + sizeof header, size); /* frames lie at multiples of 4 only */
        good = handle_message(header.type, message.bytes);
        at += header.length;
    }
    wire.filled -= at;
    if (at > 0) memmove(buffer, buffer + at, wire.filled);
    return good;
}

uint8_t *wire_room(uint32_t *size) {
    *size = BUFFER_SIZE - wire.filled;
    return buffer + wire.filled;
}

bool wire_received(uint32_t size) {
    wire.filled += size;
    return handle_frames();
}

bool wire_receive(void) {
    uint32_t room;
    uint8_t *where = wire_room(&room);
    int got = (int)recv(wire.socket, (char *)where, (int)room, 0);
    if (got == 0) return false;
    return got < 0 ? socket_timed_out() : wire_received((uint32_t)got);
}

void wire_close(void) {
    mutex_lock(&sim.send_lock);
    if (wire.socket != NO_SOCKET) socket_close(wire.socket);
    wire.socket = NO_SOCKET;
    mutex_unlock(&sim.send_lock);
}

void wire_interrupt(void) {
    mutex_lock(&sim.send_lock);
    if (wire.socket != NO_SOCKET) socket_shutdown(wire.socket);
    mutex_unlock(&sim.send_lock);
}
