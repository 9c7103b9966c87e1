/* Exports that clients of the real library call and that this one has nothing for. They are here so that such clients find
 * every name: a callback that is set is never called, a subscription that would bring nothing succeeds, and a question
 * for data that the simulated exchange has not is answered with the code for that. No answer is made up. */
#include "internal.h"

#define SETTER_WITHOUT_EVENT(export)                                                                                   \
    API int32_t CALL export(void *callback) {                                                                          \
        (void)callback;                                                                                                \
        return NL_OK;                                                                                                  \
    }

SETTER_WITHOUT_EVENT(SetAssetListCallback)
SETTER_WITHOUT_EVENT(SetAssetListInfoCallback)
SETTER_WITHOUT_EVENT(SetAssetListInfoCallbackV2)
SETTER_WITHOUT_EVENT(SetAdjustHistoryCallback)
SETTER_WITHOUT_EVENT(SetAdjustHistoryCallbackV2)
SETTER_WITHOUT_EVENT(SetTheoreticalPriceCallback)
SETTER_WITHOUT_EVENT(SetTradingMessageResultCallback)
SETTER_WITHOUT_EVENT(SetHealthCallback)
SETTER_WITHOUT_EVENT(SetOrderChangeCallbackV2)
SETTER_WITHOUT_EVENT(SetHistoryCallbackV2)

API int32_t CALL SetEnabledHistOrder(int32_t enabled) {
    (void)enabled; /* the day's orders are told at every login */
    return NL_OK;
}

API int32_t CALL SetEnabledLogToDebug(int32_t enabled) {
    (void)enabled; /* PROFITSIM_LOG is the switch */
    return NL_OK;
}

/* 0: the library's threads answer. One that hung could not say anything else either. */
API int32_t CALL GetHealthStatus(int32_t *state) {
    if (state == NULL) return NL_INVALID_ARGS;
    *state = 0;
    return NL_OK;
}

static int32_t known_ticker(const wchar_t *ticker, const wchar_t *exchange, int32_t answer) {
    TConnectorAssetIdentifier asset = {0, ticker, exchange, 0};
    int32_t code = request_gate(false);
    if (code != NL_OK) return code;
    return instrument_find(&asset) == NULL ? NL_INVALID_TICKER : answer;
}

API int32_t CALL RequestTickerInfo(const wchar_t *ticker, const wchar_t *exchange) {
    return known_ticker(ticker, exchange, NL_ASSET_NO_DATA);
}

API int32_t CALL GetLastDailyClose(const wchar_t *ticker, const wchar_t *exchange, double *close, int32_t adjusted) {
    (void)close, (void)adjusted;
    return known_ticker(ticker, exchange, NL_ASSET_NO_DATA);
}

API int32_t CALL SubscribeAdjustHistory(const wchar_t *ticker, const wchar_t *exchange) {
    return known_ticker(ticker, exchange, NL_OK); /* nothing is ever adjusted */
}

API int32_t CALL UnsubscribeAdjustHistory(const wchar_t *ticker, const wchar_t *exchange) {
    return known_ticker(ticker, exchange, NL_OK);
}
