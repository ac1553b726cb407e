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
	"strings"
	"syscall"

	"github.com/FerretDB/FerretDB/build/version"
	"github.com/FerretDB/FerretDB/internal/backends"
	"github.com/FerretDB/FerretDB/internal/backends/sqlite"
	"github.com/FerretDB/FerretDB/internal/clientconn"
	"github.com/FerretDB/FerretDB/internal/clientconn/conninfo"
	"github.com/FerretDB/FerretDB/internal/clientconn/connmetrics"
	"github.com/FerretDB/FerretDB/internal/handler"
	"github.com/FerretDB/FerretDB/internal/handler/users"
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

	if err := serve(ctx); err != nil {
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

	if err = os.MkdirAll(folder, 0o700); err != nil {
		return err
	}

	backend, err := sqlite.NewBackend(&sqlite.NewBackendParams{
		URI:       "file:" + folder,
		L:         logger,
		P:         provider,
		BatchSize: batchSize,
	})
	if err != nil {
		return err
	}
	defer backend.Close()

	if err = createUsers(ctx, backend); err != nil {
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
	info := conninfo.New()
	info.SetBypassBackendAuth()
	ctx = conninfo.Ctx(ctx, info)

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

func listed(variable string) []string {
	return strings.FieldsFunc(os.Getenv(variable), func(r rune) bool { return r == ',' })
}
