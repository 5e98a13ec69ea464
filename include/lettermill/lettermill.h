/** @file
 * Everything of Lettermill in one include.
 */
#ifndef LETTERMILL_LETTERMILL_H
#define LETTERMILL_LETTERMILL_H

#include "base.h"
#include "error.h"
#include "event.h"
#include "handler.h"
#include "log.h"
#include "pop3.h"
#include "reply.h"
#include "server.h"
#include "session.h"
#include "smtp.h"
#include "store.h"

#endif
