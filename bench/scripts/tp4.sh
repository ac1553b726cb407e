#!/bin/bash
# TP 4, as far as it shows without placing a pod: the database is ready behind its Service.
. "$(dirname "$0")/common.sh"

database_is_ready
service_leads_to_database

echo "🎉 TP 4"
