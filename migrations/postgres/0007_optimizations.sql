CREATE TABLE "optimizations" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"project_id" text COLLATE "C" NOT NULL,
	"asset_id" text COLLATE "C" NOT NULL,
	"version" bigint NOT NULL,
	"user_id" text COLLATE "C" NOT NULL,
	"compress_meshes" smallint NOT NULL,
	"status" text COLLATE "C" NOT NULL,
	"attempt" bigint NOT NULL,
	"starts" bigint NOT NULL,
	"execution" text COLLATE "C",
	"saved_bytes" bigint NOT NULL,
	"error_code" text COLLATE "C",
	"created_at" bigint NOT NULL,
	"ended_at" bigint,
	"due_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE INDEX "optimizations_asset" ON "optimizations" USING btree ("asset_id");--> statement-breakpoint
CREATE INDEX "optimizations_user" ON "optimizations" USING btree ("user_id","status");--> statement-breakpoint
CREATE INDEX "optimizations_project" ON "optimizations" USING btree ("project_id");--> statement-breakpoint
CREATE INDEX "optimizations_due" ON "optimizations" USING btree ("due_at");