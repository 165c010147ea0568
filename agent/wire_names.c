// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Names of the protocol's numbers, for people. One list for each kind (wire.h).
 */
#include "wire.h"

#define X(name, n) case n: return #name;

const char *wire_exchange_name(unsigned int exchange)
{
	switch (exchange) {
	WIRE_EXCHANGES(X)
	}
	return "unknown";
}

const char *wire_payload_name(unsigned int payload)
{
	switch (payload) {
	WIRE_PAYLOADS(X)
	}
	return "unknown";
}

const char *wire_notify_name(unsigned int notify)
{
	switch (notify) {
	WIRE_NOTIFIES(X)
	}
	return "unknown";
}

const char *wire_auth_method_name(unsigned int method)
{
	switch (method) {
	WIRE_AUTH_METHODS(X)
	}
	return "unknown";
}
