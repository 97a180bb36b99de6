CREATE TABLE "upload_parts" (
	"upload_id" text COLLATE "C" NOT NULL,
	"number" bigint NOT NULL,
	"etag" text COLLATE "C" NOT NULL,
	"size" bigint NOT NULL,
	CONSTRAINT "upload_parts_upload_id_number_pk" PRIMARY KEY("upload_id","number")
);
--> statement-breakpoint
DROP INDEX "assets_name";--> statement-breakpoint
ALTER TABLE "assets" ADD COLUMN "name_fold" text COLLATE "C" DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "projects" ADD COLUMN "asset_bytes" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "uploads" ADD COLUMN "error_code" text COLLATE "C";--> statement-breakpoint
CREATE INDEX "assets_deleted" ON "assets" USING btree ("deleted_at");--> statement-breakpoint
CREATE UNIQUE INDEX "assets_name" ON "assets" USING btree ("project_id","name_fold");