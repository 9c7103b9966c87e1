/* Text and time at the border: UTF-8 to wchar_t, and market time to the exchange's local wall clock. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define DAY_NS 86400000000000LL
#define HOUR_NS 3600000000000LL
#define LAST_DAY 106000 /* in the year 2260 */

/* At most `size` bytes, at most `capacity` characters and the final zero. */
void to_wide(const char *utf8, size_t size, wchar_t *out, size_t capacity) {
    size_t length = 0;
    for (size_t i = 0; i < size && utf8[i] != 0 && length < capacity;) {
        uint8_t first = (uint8_t)utf8[i++];
        int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
        uint32_t point = more == 3 ? first & 0x07u : more == 2 ? first & 0x0Fu : more == 1 ? first & 0x1Fu : first;
        for (; more > 0 && i < size; more--) point = point << 6 | ((uint8_t)utf8[i++] & 0x3Fu);
        if (point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) point = 0xFFFD; /* no character: not handed on */
        if (sizeof(wchar_t) == 2 && point > 0xFFFF) {
            if (length + 2 > capacity) break;
            out[length++] = (wchar_t)(0xD800 + ((point - 0x10000) >> 10));
            point = 0xDC00 + ((point - 0x10000) & 0x3FF);
        }
        out[length++] = (wchar_t)point;
    }
    out[length] = 0;
}

bool to_utf8(const wchar_t *text, char *out, size_t size) {
    size_t length = 0;
    memset(out, 0, size);
    for (; text != NULL && *text != 0; text++) {
        uint32_t point = (uint32_t)*text;
        if (point >= 0xD800 && point < 0xDC00 && text[1] != 0) {
            text++;
            point = 0x10000 + ((point - 0xD800) << 10) + ((uint32_t)*text - 0xDC00);
        }
        int more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
        if (length + 1 + (size_t)more > size) return false;
        static const uint8_t lead[4] = {0, 0xC0, 0xE0, 0xF0};
        out[length++] = (char)(lead[more] | point >> (6 * more));
        while (more-- > 0) out[length++] = (char)(0x80 | (point >> (6 * more) & 0x3F));
    }
    return true;
}

/* The DLL's way to give a string out: a missing buffer asks for the length, a buffer of that length gets the text. */
void hand_out(const wchar_t *text, wchar_t *buffer, int32_t *length) {
    int32_t needed = (int32_t)wcslen(text);
    if (buffer != NULL && *length > 0) {
        int32_t copied = needed < *length ? needed : *length;
        memcpy(buffer, text, (size_t)copied * sizeof(wchar_t));
        if (copied < *length) buffer[copied] = 0; /* who has room for it gets the end, too */
    }
    *length = needed;
}

/* Summer time in Sao Paulo, as days of local time since 1970; none since 2019. Before 2008-03 this is not the truth. */
static const int32_t SUMMERS[][2] = {
    {14171, 14290}, {14535, 14661}, {14899, 15025}, {15263, 15396}, {15634, 15753}, {15998, 16117},
    {16362, 16488}, {16726, 16852}, {17090, 17216}, {17454, 17580}, {17839, 17944},
};

/* Local minus UTC at noon of a local day. Summers begin and end at midnight, so it holds for the whole day. */
int64_t utc_offset_ns(int64_t local_days) {
    for (size_t i = 0; i < sizeof SUMMERS / sizeof *SUMMERS; i++)
        if (local_days >= SUMMERS[i][0] && local_days < SUMMERS[i][1]) return -2 * HOUR_NS;
    return -3 * HOUR_NS;
}

static int64_t floor_divide(int64_t value, int64_t by) { return value / by - (value % by < 0); }

/* Days since 1970-01-01 of a civil date, and back; proleptic Gregorian. Years run from March: leap days end them. */
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
    year -= month <= 2;
    int64_t era = floor_divide(year, 400), year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_of(int64_t days, SystemTime *out) {
    days += 719468;
    int64_t era = floor_divide(days, 146097), day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    out->day = (uint16_t)(day_of_year - (153 * month + 2) / 5 + 1);
    out->month = (uint16_t)(month < 10 ? month + 3 : month - 9);
    out->year = (uint16_t)(year_of_era + era * 400 + (out->month <= 2));
}

int64_t local_ns(int64_t utc) {
    if (utc < INT64_MIN + 2 * DAY_NS) utc = INT64_MIN + 2 * DAY_NS; /* 1677 is as good as any */
    int64_t local = utc - 3 * HOUR_NS;
    for (size_t i = 0; i < sizeof SUMMERS / sizeof *SUMMERS; i++) /* begin: 00:00 standard; end: 00:00 summer time */
        if (local >= SUMMERS[i][0] * DAY_NS && local + HOUR_NS < SUMMERS[i][1] * DAY_NS) return local + HOUR_NS;
    return local;
}

SystemTime local_time(int64_t utc) {
    SystemTime out = {0};
    if (utc == 0) return out;
    int64_t local = local_ns(utc);
    int64_t days = floor_divide(local, DAY_NS), ms = (local - days * DAY_NS) / 1000000;
    date_of(days, &out);
    out.day_of_week = (uint16_t)(((days + 4) % 7 + 7) % 7); /* Sunday is 0; 1970-01-01 was a Thursday */
    out.hour = (uint16_t)(ms / 3600000);
    out.minute = (uint16_t)(ms / 60000 % 60);
    out.second = (uint16_t)(ms / 1000 % 60);
    out.millisecond = (uint16_t)(ms % 1000);
    return out;
}

int64_t utc_ns(const SystemTime *t) {
    int64_t days = days_of(t->year, t->month, t->day);
    if (days > LAST_DAY) days = LAST_DAY; /* ns reach no further */
    if (days < -LAST_DAY) days = -LAST_DAY;
    int64_t ms = ((t->hour * 60LL + t->minute) * 60 + t->second) * 1000 + t->millisecond;
    return days * DAY_NS + ms * 1000000 - utc_offset_ns(days);
}

/* DD/MM/YYYY HH:mm:SS */
bool parse_local(const wchar_t *text, int64_t *utc) {
    char narrow[32];
    int day, month, year, hour, minute, second;
    if (text == NULL || !to_utf8(text, narrow, sizeof narrow - 1)) return false;
    narrow[sizeof narrow - 1] = 0;
    if (sscanf(narrow, "%2d/%2d/%4d %2d:%2d:%2d", &day, &month, &year, &hour, &minute, &second) != 6) return false;
    if (day < 1 || day > 31 || month < 1 || month > 12 || year < 1970 || hour > 23 || minute > 59 || second > 59)
        return false;
    SystemTime local = {(uint16_t)year, (uint16_t)month,  0, (uint16_t)day,
                        (uint16_t)hour, (uint16_t)minute, (uint16_t)second, 0};
    *utc = utc_ns(&local);
    return true;
}

/* DD/MM/YYYY HH:mm:SS.ZZZ */
void format_local(int64_t ns, wchar_t out[DATE_LENGTH]) {
    SystemTime t = local_time(ns);
    char narrow[64];
    snprintf(narrow, sizeof narrow, "%02u/%02u/%04u %02u:%02u:%02u.%03u", t.day, t.month, t.year, t.hour, t.minute,
             t.second, t.millisecond);
    to_wide(narrow, DATE_LENGTH - 1, out, DATE_LENGTH - 1);
}
