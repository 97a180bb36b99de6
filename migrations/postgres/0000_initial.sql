CREATE TABLE "api_keys" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"user_id" text COLLATE "C" NOT NULL,
	"name" text COLLATE "C" NOT NULL,
	"hash" text COLLATE "C" NOT NULL,
	"prefix" text COLLATE "C" NOT NULL,
	"scopes" text COLLATE "C" NOT NULL,
	"project_id" text COLLATE "C",
	"expires_at" bigint,
	"last_used_at" bigint,
	"revoked_at" bigint,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "asset_versions" (
	"asset_id" text COLLATE "C" NOT NULL,
	"version" bigint NOT NULL,
	"object_key" text COLLATE "C" NOT NULL,
	"hash" text COLLATE "C" NOT NULL,
	"size" bigint NOT NULL,
	"mime_type" text COLLATE "C" NOT NULL,
	"metadata" text COLLATE "C" NOT NULL,
	"created_by" text COLLATE "C" NOT NULL,
	"created_at" bigint NOT NULL,
	CONSTRAINT "asset_versions_asset_id_version_pk" PRIMARY KEY("asset_id","version")
);
--> statement-breakpoint
CREATE TABLE "assets" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"project_id" text COLLATE "C" NOT NULL,
	"name" text COLLATE "C" NOT NULL,
	"type" text COLLATE "C" NOT NULL,
	"version" bigint NOT NULL,
	"metadata" text COLLATE "C" NOT NULL,
	"created_by" text COLLATE "C" NOT NULL,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL,
	"deleted_at" bigint
);
--> statement-breakpoint
CREATE TABLE "audit_log" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"at" bigint NOT NULL,
	"actor_id" text COLLATE "C",
	"project_id" text COLLATE "C",
	"action" text COLLATE "C" NOT NULL,
	"subject" text COLLATE "C",
	"data" text COLLATE "C" NOT NULL,
	"request_id" text COLLATE "C"
);
--> statement-breakpoint
CREATE TABLE "builds" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"project_id" text COLLATE "C" NOT NULL,
	"user_id" text COLLATE "C" NOT NULL,
	"target" text COLLATE "C" NOT NULL,
	"status" text COLLATE "C" NOT NULL,
	"progress_permille" bigint NOT NULL,
	"step" text COLLATE "C",
	"options" text COLLATE "C" NOT NULL,
	"build_key" text COLLATE "C" NOT NULL,
	"tree_hash" text COLLATE "C" NOT NULL,
	"lock_hash" text COLLATE "C",
	"checkpoint_id" text COLLATE "C",
	"cached" smallint NOT NULL,
	"attempt" bigint NOT NULL,
	"seq" bigint NOT NULL,
	"error_code" text COLLATE "C",
	"error_message" text COLLATE "C",
	"artifacts" text COLLATE "C" NOT NULL,
	"output_of" text COLLATE "C",
	"timings" text COLLATE "C" NOT NULL,
	"created_at" bigint NOT NULL,
	"started_at" bigint,
	"completed_at" bigint
);
--> statement-breakpoint
CREATE TABLE "collaborators" (
	"project_id" text COLLATE "C" NOT NULL,
	"user_id" text COLLATE "C" NOT NULL,
	"role" text COLLATE "C" NOT NULL,
	"added_by" text COLLATE "C" NOT NULL,
	"created_at" bigint NOT NULL,
	CONSTRAINT "collaborators_project_id_user_id_pk" PRIMARY KEY("project_id","user_id")
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"user_id" text COLLATE "C" NOT NULL,
	"key" text COLLATE "C" NOT NULL,
	"request_hash" text COLLATE "C" NOT NULL,
	"status" bigint,
	"body" text COLLATE "C",
	"created_at" bigint NOT NULL,
	CONSTRAINT "idempotency_keys_user_id_key_pk" PRIMARY KEY("user_id","key")
);
--> statement-breakpoint
CREATE TABLE "invites" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"project_id" text COLLATE "C" NOT NULL,
	"hash" text COLLATE "C" NOT NULL,
	"role" text COLLATE "C" NOT NULL,
	"email" text COLLATE "C",
	"max_uses" bigint NOT NULL,
	"uses" bigint NOT NULL,
	"invited_by" text COLLATE "C" NOT NULL,
	"created_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL,
	"revoked_at" bigint
);
--> statement-breakpoint
CREATE TABLE "oauth_accounts" (
	"provider" text COLLATE "C" NOT NULL,
	"subject" text COLLATE "C" NOT NULL,
	"user_id" text COLLATE "C" NOT NULL,
	"email" text COLLATE "C",
	"email_verified" smallint NOT NULL,
	"created_at" bigint NOT NULL,
	CONSTRAINT "oauth_accounts_provider_subject_pk" PRIMARY KEY("provider","subject")
);
--> statement-breakpoint
CREATE TABLE "outbox" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"queue" text COLLATE "C" NOT NULL,
	"body" text COLLATE "C" NOT NULL,
	"created_at" bigint NOT NULL,
	"claimed_until" bigint NOT NULL,
	"attempts" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "plugin_versions" (
	"plugin_id" text COLLATE "C" NOT NULL,
	"version" text COLLATE "C" NOT NULL,
	"manifest" text COLLATE "C" NOT NULL,
	"integrity" text COLLATE "C" NOT NULL,
	"tree_hash" text COLLATE "C" NOT NULL,
	"size" bigint NOT NULL,
	"yanked_at" bigint,
	"created_at" bigint NOT NULL,
	CONSTRAINT "plugin_versions_plugin_id_version_pk" PRIMARY KEY("plugin_id","version")
);
--> statement-breakpoint
CREATE TABLE "plugins" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"slug" text COLLATE "C" NOT NULL,
	"name" text COLLATE "C" NOT NULL,
	"description" text COLLATE "C" NOT NULL,
	"keywords" text COLLATE "C" NOT NULL,
	"author_id" text COLLATE "C" NOT NULL,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "project_files" (
	"project_id" text COLLATE "C" NOT NULL,
	"path" text COLLATE "C" NOT NULL,
	"hash" text COLLATE "C" NOT NULL,
	"size" bigint NOT NULL,
	"mime_type" text COLLATE "C" NOT NULL,
	"seq" bigint NOT NULL,
	"updated_at" bigint NOT NULL,
	CONSTRAINT "project_files_project_id_path_pk" PRIMARY KEY("project_id","path")
);
--> statement-breakpoint
CREATE TABLE "project_plugins" (
	"project_id" text COLLATE "C" NOT NULL,
	"plugin_id" text COLLATE "C" NOT NULL,
	"version" text COLLATE "C" NOT NULL,
	"requested" text COLLATE "C",
	"integrity" text COLLATE "C" NOT NULL,
	"installed_by" text COLLATE "C" NOT NULL,
	"installed_at" bigint NOT NULL,
	CONSTRAINT "project_plugins_project_id_plugin_id_pk" PRIMARY KEY("project_id","plugin_id")
);
--> statement-breakpoint
CREATE TABLE "projects" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"owner_id" text COLLATE "C" NOT NULL,
	"name" text COLLATE "C" NOT NULL,
	"description" text COLLATE "C" NOT NULL,
	"is_public" smallint NOT NULL,
	"thumbnail_url" text COLLATE "C",
	"settings" text COLLATE "C" NOT NULL,
	"state" text COLLATE "C" NOT NULL,
	"revision" bigint NOT NULL,
	"template_id" text COLLATE "C",
	"forked_from" text COLLATE "C",
	"forked_checkpoint" text COLLATE "C",
	"file_count" bigint NOT NULL,
	"total_size" bigint NOT NULL,
	"tree_hash" text COLLATE "C",
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL,
	"deleted_at" bigint
);
--> statement-breakpoint
CREATE TABLE "publications" (
	"slug" text COLLATE "C" PRIMARY KEY NOT NULL,
	"project_id" text COLLATE "C" NOT NULL,
	"build_id" text COLLATE "C" NOT NULL,
	"created_by" text COLLATE "C" NOT NULL,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "refresh_tokens" (
	"hash" text COLLATE "C" PRIMARY KEY NOT NULL,
	"session_id" text COLLATE "C" NOT NULL,
	"created_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL,
	"used_at" bigint,
	"settled_at" bigint,
	"successor" text COLLATE "C"
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"user_id" text COLLATE "C" NOT NULL,
	"user_agent" text COLLATE "C" NOT NULL,
	"created_at" bigint NOT NULL,
	"last_used_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL,
	"revoked_at" bigint
);
--> statement-breakpoint
CREATE TABLE "templates" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"slug" text COLLATE "C" NOT NULL,
	"name" text COLLATE "C" NOT NULL,
	"description" text COLLATE "C" NOT NULL,
	"tags" text COLLATE "C" NOT NULL,
	"author" text COLLATE "C" NOT NULL,
	"author_id" text COLLATE "C",
	"version" text COLLATE "C" NOT NULL,
	"thumbnail_hash" text COLLATE "C",
	"tree_hash" text COLLATE "C" NOT NULL,
	"file_count" bigint NOT NULL,
	"total_size" bigint NOT NULL,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "uploads" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"project_id" text COLLATE "C" NOT NULL,
	"user_id" text COLLATE "C" NOT NULL,
	"name" text COLLATE "C" NOT NULL,
	"object_key" text COLLATE "C" NOT NULL,
	"multipart_id" text COLLATE "C",
	"size" bigint NOT NULL,
	"part_size" bigint NOT NULL,
	"hash" text COLLATE "C",
	"mime_type" text COLLATE "C",
	"status" text COLLATE "C" NOT NULL,
	"asset_id" text COLLATE "C",
	"created_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"email" text COLLATE "C" NOT NULL,
	"username" text COLLATE "C" NOT NULL,
	"username_fold" text COLLATE "C" NOT NULL,
	"display_name" text COLLATE "C" NOT NULL,
	"avatar_url" text COLLATE "C",
	"password_hash" text COLLATE "C",
	"email_verified_at" bigint,
	"disabled_at" bigint,
	"deleted_at" bigint,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_hash" ON "api_keys" USING btree ("hash");--> statement-breakpoint
CREATE INDEX "api_keys_user" ON "api_keys" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "asset_versions_hash" ON "asset_versions" USING btree ("hash");--> statement-breakpoint
CREATE UNIQUE INDEX "assets_name" ON "assets" USING btree ("project_id","name");--> statement-breakpoint
CREATE INDEX "assets_type" ON "assets" USING btree ("project_id","type");--> statement-breakpoint
CREATE INDEX "audit_log_project" ON "audit_log" USING btree ("project_id","id");--> statement-breakpoint
CREATE INDEX "audit_log_actor" ON "audit_log" USING btree ("actor_id","id");--> statement-breakpoint
CREATE INDEX "builds_project" ON "builds" USING btree ("project_id","id");--> statement-breakpoint
CREATE INDEX "builds_key" ON "builds" USING btree ("project_id","build_key","status");--> statement-breakpoint
CREATE INDEX "builds_user" ON "builds" USING btree ("user_id","status");--> statement-breakpoint
CREATE INDEX "builds_status" ON "builds" USING btree ("status","created_at");--> statement-breakpoint
CREATE INDEX "collaborators_user" ON "collaborators" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "idempotency_keys_created" ON "idempotency_keys" USING btree ("created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "invites_hash" ON "invites" USING btree ("hash");--> statement-breakpoint
CREATE INDEX "invites_project" ON "invites" USING btree ("project_id");--> statement-breakpoint
CREATE INDEX "oauth_accounts_user" ON "oauth_accounts" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "outbox_claim" ON "outbox" USING btree ("claimed_until");--> statement-breakpoint
CREATE UNIQUE INDEX "plugins_slug" ON "plugins" USING btree ("slug");--> statement-breakpoint
CREATE INDEX "project_files_hash" ON "project_files" USING btree ("hash");--> statement-breakpoint
CREATE INDEX "project_plugins_plugin" ON "project_plugins" USING btree ("plugin_id");--> statement-breakpoint
CREATE INDEX "projects_owner" ON "projects" USING btree ("owner_id","deleted_at","updated_at");--> statement-breakpoint
CREATE INDEX "projects_state" ON "projects" USING btree ("state","updated_at");--> statement-breakpoint
CREATE INDEX "projects_deleted" ON "projects" USING btree ("deleted_at");--> statement-breakpoint
CREATE UNIQUE INDEX "publications_project" ON "publications" USING btree ("project_id");--> statement-breakpoint
CREATE INDEX "refresh_tokens_session" ON "refresh_tokens" USING btree ("session_id");--> statement-breakpoint
CREATE INDEX "sessions_user" ON "sessions" USING btree ("user_id","revoked_at");--> statement-breakpoint
CREATE INDEX "sessions_expires" ON "sessions" USING btree ("expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "templates_slug" ON "templates" USING btree ("slug");--> statement-breakpoint
CREATE INDEX "uploads_project" ON "uploads" USING btree ("project_id");--> statement-breakpoint
CREATE INDEX "uploads_expires" ON "uploads" USING btree ("status","expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "users_email" ON "users" USING btree ("email");--> statement-breakpoint
CREATE UNIQUE INDEX "users_username" ON "users" USING btree ("username_fold");