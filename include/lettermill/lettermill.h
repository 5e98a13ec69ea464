/** @file
 * Everything of Lettermill in one include.
 */
#ifndef LETTERMILL_LETTERMILL_H
#define LETTERMILL_LETTERMILL_H

#include "base.h"
#include "bridge.h"
#include "client.h"
#include "error.h"
#include "event.h"
#include "handler.h"
#include "log.h"
#include "loop.h"
#include "mime_store.h"
#include "outgoing.h"
#include "pop3.h"
#include "reply.h"
#include "request.h"
#include "server.h"
#include "session.h"
#include "smtp.h"
#include "store.h"

#endif
