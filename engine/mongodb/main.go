// Command mongodb serves MongoDB's protocol with FerretDB, which keeps its documents in SQLite: what
// stands in for MongoDB where no image can be pulled. It reads the variables of Bitnami's image.
//
// FerretDB's own program cannot be compiled from its module, which lacks a file that its build makes;
// its packages can, and its embedded form knows no accounts. Hence the name of this module, below
// FerretDB's: Go lets it use what is internal there.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/google/uuid"

	"github.com/FerretDB/FerretDB/build/version"
	"github.com/FerretDB/FerretDB/internal/backends"
	"github.com/FerretDB/FerretDB/internal/backends/sqlite"
	"github.com/FerretDB/FerretDB/internal/clientconn"
	"github.com/FerretDB/FerretDB/internal/clientconn/conninfo"
	"github.com/FerretDB/FerretDB/internal/clientconn/connmetrics"
	"github.com/FerretDB/FerretDB/internal/handler"
	"github.com/FerretDB/FerretDB/internal/handler/users"
	"github.com/FerretDB/FerretDB/internal/types"
	"github.com/FerretDB/FerretDB/internal/util/must"
	"github.com/FerretDB/FerretDB/internal/util/password"
	"github.com/FerretDB/FerretDB/internal/util/state"
)

const (
	folder    = "/bitnami/mongodb/data/"
	port      = ":27017"
	batchSize = 100 // documents that are inserted at once, as in FerretDB's own program
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	run := serve
	if len(os.Args) > 1 && os.Args[1] == "account" {
		run = account
	}

	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers clients until ctx is canceled.
func serve(ctx context.Context) error {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	logger.Info("This is FerretDB, which speaks MongoDB's protocol", "answers as", version.Get().MongoDBVersion)

	provider, err := state.NewProvider("")
	if err != nil {
		return err
	}

	// Nothing here reports anything: this makes no client warn about it.
	if err = provider.Update(func(s *state.State) {
		s.DisableTelemetry()
		s.TelemetryLocked = true
	}); err != nil {
		return err
	}

	backend, err := opened(logger, provider)
	if err != nil {
		return err
	}
	defer backend.Close()

	if err = createUsers(unchecked(ctx), backend); err != nil {
		return err
	}

	metrics := connmetrics.NewListenerMetrics()

	h, err := handler.New(&handler.NewOpts{
		Backend:       backend,
		TCPHost:       os.Getenv("MONGODB_ADVERTISED_HOSTNAME") + port,
		ReplSetName:   os.Getenv("MONGODB_REPLICA_SET_NAME"),
		L:             logger,
		ConnMetrics:   metrics.ConnMetrics,
		StateProvider: provider,
		EnableNewAuth: true,
		BatchSize:     batchSize,
	})
	if err != nil {
		return err
	}

	listener, err := clientconn.Listen(&clientconn.NewListenerOpts{
		TCP:     port,
		Mode:    clientconn.NormalMode,
		Metrics: metrics,
		Handler: h,
		Logger:  logger,
	})
	if err != nil {
		return err
	}

	listener.Run(ctx)

	return nil
}

// createUsers makes the accounts that the variables ask for, but those that are there already.
func createUsers(ctx context.Context, backend backends.Backend) error {
	names := listed("MONGODB_EXTRA_USERNAMES")
	databases, passwords := listed("MONGODB_EXTRA_DATABASES"), listed("MONGODB_EXTRA_PASSWORDS")
	if len(databases) != len(names) || len(passwords) != len(names) {
		return errors.New("MONGODB_EXTRA_USERNAMES, _DATABASES and _PASSWORDS must go together")
	}

	wanted := []*users.CreateUserParams{{
		Database: "admin",
		Username: os.Getenv("MONGODB_ROOT_USER"),
		Password: password.WrapPassword(os.Getenv("MONGODB_ROOT_PASSWORD")),
	}}
	for i, name := range names {
		wanted = append(wanted, &users.CreateUserParams{
			Database: databases[i],
			Username: name,
			Password: password.WrapPassword(passwords[i]),
		})
	}

	for _, one := range wanted {
		err := users.CreateUser(ctx, backend, one)
		if err != nil && !backends.ErrorCodeIs(err, backends.ErrorCodeInsertDuplicateID) {
			return fmt.Errorf("account %s of %s: %w", one.Username, one.Database, err)
		}
	}

	return nil
}

// account gives an account, which it makes where there is none, what a server keeps of a password.
// Its arguments: database, name, iterations, salt, stored key, server key. The server may run: it reads
// that at each login.
func account(ctx context.Context) error {
	if len(os.Args) != 8 {
		return errors.New("account: DATABASE NAME ITERATIONS SALT STORED_KEY SERVER_KEY")
	}

	database, name := os.Args[2], os.Args[3]

	iterations, err := strconv.ParseInt(os.Args[4], 10, 32)
	if err != nil {
		return err
	}

	provider, err := state.NewProvider("")
	if err != nil {
		return err
	}

	backend, err := opened(slog.New(slog.DiscardHandler), provider)
	if err != nil {
		return err
	}
	defer backend.Close()

	db, err := backend.Database("admin")
	if err != nil {
		return err
	}

	kept, err := db.Collection("system.users")
	if err != nil {
		return err
	}

	id := uuid.New()
	credentials := must.NotFail(types.NewDocument(
		"iterationCount", int32(iterations),
		"salt", os.Args[5],
		"storedKey", os.Args[6],
		"serverKey", os.Args[7],
	))
	user := must.NotFail(types.NewDocument(
		"_id", database+"."+name,
		"credentials", must.NotFail(types.NewDocument("SCRAM-SHA-256", credentials)),
		"user", name,
		"db", database,
		"roles", types.MakeArray(0),
		"userId", types.Binary{Subtype: types.BinaryUUID, B: id[:]},
	))
	docs := []*types.Document{user}

	updated, err := kept.UpdateAll(unchecked(ctx), &backends.UpdateAllParams{Docs: docs})
	if err != nil || updated.Updated == 1 {
		return err
	}

	_, err = kept.InsertAll(unchecked(ctx), &backends.InsertAllParams{Docs: docs})

	return err
}

// opened gives the documents that are kept here.
func opened(logger *slog.Logger, provider *state.Provider) (backends.Backend, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}

	return sqlite.NewBackend(&sqlite.NewBackendParams{
		URI:       "file:" + folder,
		L:         logger,
		P:         provider,
		BatchSize: batchSize,
	})
}

// unchecked lets what is done here do without an account.
func unchecked(ctx context.Context) context.Context {
	info := conninfo.New()
	info.SetBypassBackendAuth()

	return conninfo.Ctx(ctx, info)
}

func listed(variable string) []string {
	return strings.FieldsFunc(os.Getenv(variable), func(r rune) bool { return r == ',' })
}
